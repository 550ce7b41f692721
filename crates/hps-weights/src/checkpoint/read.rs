//! Loading tensors.

use candle_core::{Device, Tensor};
use hps_core::Result;

use super::convert::{convert, is_float};
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
        let mut rest = values.as_mut_slice();
        for part in &entry.parts {
            let (output, others) = rest.split_at_mut(part.elements().min(rest.len()));
            if let Some(source) = self.sources.get(part.source) {
                let range = part.byte_range();
                source.will_need(&range);
                convert(part, source.as_slice(), output);
                source.release(&range);
            }
            rest = others;
        }
        Ok(values)
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
