//! Loading tensors.

use candle_core::{Device, Tensor};
use half::f16;
use hps_core::Result;
use safetensors::Dtype;

use super::convert::{convert, copy_f16, is_float};
use super::stored::Stored;
use super::{Checkpoint, Entry};

impl Checkpoint {
    /// The tensor called `name` as `f32` on `device`, in row-major order.
    ///
    /// The numbers go from the file into one buffer of `f32` on all cores; there is never a
    /// second whole copy on the host. Pages of the file that were read are released.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidWeights`] when there is no such tensor or it does not hold
    /// floats, [`hps_core::ErrorKind::Model`] when it does not fit the device.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let values = self.load(name, entry)?;
        Tensor::from_vec(values, entry.info.shape.as_slice(), device).map_err(hps_nn::model_error)
    }

    /// As [`Checkpoint::tensor`], but a tensor that is stored as `f16` in row-major order stays
    /// so, which spares those who keep it in 16 bits the detour.
    ///
    /// # Errors
    ///
    /// As for [`Checkpoint::tensor`].
    pub fn tensor_as_stored(&self, name: &str, device: &Device) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let half = |part: &Stored| part.dtype == Dtype::F16 && part.is_contiguous();
        if !entry.parts.iter().all(half) {
            return self.tensor(name, device);
        }
        let mut values = vec![f16::ZERO; entry.parts.iter().map(Stored::elements).sum()];
        self.read_parts(entry, &mut values, copy_f16);
        Tensor::from_vec(values, entry.info.shape.as_slice(), device).map_err(hps_nn::model_error)
    }

    /// The elements of the tensor called `name` as `f32`, in row-major order.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidWeights`] as for [`Checkpoint::tensor`].
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        self.load(name, self.entry(name)?)
    }

    fn load(&self, name: &str, entry: &Entry) -> Result<Vec<f32>> {
        if let Some(part) = entry.parts.iter().find(|part| !is_float(part.dtype)) {
            let what = format!("tensor {name} holds {} numbers, not floats", part.dtype);
            return Err(self.invalid(what));
        }
        // `vec![0.0; n]` gets zeroed pages from the system without touching them; each page is
        // first written by the thread that converts into it.
        let mut values = vec![0.0; entry.parts.iter().map(|part| part.elements()).sum()];
        self.read_parts(entry, &mut values, convert);
        Ok(values)
    }

    /// Fills `values` with what `read` makes of each part, and releases the part's pages.
    fn read_parts<T>(
        &self,
        entry: &Entry,
        values: &mut [T],
        read: impl Fn(&Stored, &[u8], &mut [T]),
    ) {
        let mut rest = values;
        for part in &entry.parts {
            let (output, others) = rest.split_at_mut(part.elements().min(rest.len()));
            if let Some(source) = self.sources.get(part.source) {
                let range = part.byte_range();
                source.will_need(&range);
                read(part, source.as_slice(), output);
                source.release(&range);
            }
            rest = others;
        }
    }

    /// The stored bytes of the tensor called `name`, little-endian and in row-major order; `None`
    /// where there is no such tensor or its bytes do not lie in one piece and in that order.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.tensors.get(name)?.parts.as_slice() {
            [part] if part.is_contiguous() => {
                self.sources.get(part.source)?.as_slice().get(part.byte_range())
            }
            _ => None,
        }
    }
}
