//! Checkpoints as a source of layers' parameters.

use candle_core::{Device, Result, Shape, Tensor};
use hps_core::Precision;
use hps_nn::{TensorSource, VarBuilder};

use super::Checkpoint;

impl Checkpoint {
    /// A [`VarBuilder`] that loads tensors from this checkpoint to `device`, for layers that
    /// compute in `precision`. It keeps the file mapped for as long as it lives.
    pub fn var_builder(&self, device: &Device, precision: Precision) -> VarBuilder<'static> {
        VarBuilder::new(self.clone(), device, precision)
    }
}

impl TensorSource for Checkpoint {
    fn tensor(&self, name: &str, shape: &Shape, stored: bool, device: &Device) -> Result<Tensor> {
        if let Some(info) = self.info(name)
            && info.shape != shape.dims()
        {
            let (found, expected) = (&info.shape, shape.dims());
            let what = format!("tensor {name} has shape {found:?}, expected {expected:?}");
            return Err(candle_core::Error::wrap(self.invalid(what)));
        }
        let tensor = match stored {
            true => self.tensor_as_stored(name, device),
            false => Checkpoint::tensor(self, name, device),
        };
        tensor.map_err(candle_core::Error::wrap)
    }

    fn contains(&self, name: &str) -> bool {
        Checkpoint::contains(self, name)
    }
}
