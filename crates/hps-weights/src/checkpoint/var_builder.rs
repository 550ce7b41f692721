//! Checkpoints as candle's source of variables.

use candle_core::{DType, Device, Shape, Tensor};
use hps_nn::{Init, SimpleBackend, VarBuilder};

use super::Checkpoint;

impl Checkpoint {
    /// A [`VarBuilder`] that loads tensors from this checkpoint as `f32` on `device`. It keeps
    /// the file mapped for as long as it lives.
    pub fn var_builder(&self, device: &Device) -> VarBuilder<'static> {
        let backend = Backend { checkpoint: self.clone() };
        VarBuilder::from_backend(Box::new(backend), DType::F32, device.clone())
    }
}

struct Backend {
    checkpoint: Checkpoint,
}

impl SimpleBackend for Backend {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        if let Some(info) = self.checkpoint.info(name)
            && info.shape != shape.dims()
        {
            let (found, expected) = (&info.shape, shape.dims());
            let what = format!("tensor {name} has shape {found:?}, expected {expected:?}");
            return Err(candle_core::Error::wrap(self.checkpoint.invalid(what)));
        }
        self.get_unchecked(name, dtype, device)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let tensor = self.checkpoint.tensor(name, device).map_err(candle_core::Error::wrap)?;
        tensor.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.checkpoint.contains(name)
    }
}
