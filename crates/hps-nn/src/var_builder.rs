//! Where layers get their parameters from.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Result, Shape, Tensor, bail};
use hps_core::Precision;

/// Named tensors, such as those of a checkpoint.
pub trait TensorSource: Send + Sync {
    /// The tensor `name` of `shape` on `device`, as `f32`, or as it is stored where that
    /// is `f16` and `stored` is set (matrices are packed in 16 bits, and so need no
    /// detour).
    ///
    /// # Errors
    ///
    /// When it is missing or has another shape.
    fn tensor(&self, name: &str, shape: &Shape, stored: bool, device: &Device) -> Result<Tensor>;

    /// Whether there is a tensor of this name.
    fn contains(&self, name: &str) -> bool;
}

/// A place in a tree of named tensors, with the device and the [`Precision`] that the
/// layers loaded from it compute in.
#[derive(Clone)]
pub struct VarBuilder<'a> {
    source: Arc<dyn TensorSource + 'a>,
    device: Device,
    precision: Precision,
    path: String,
}

impl<'a> VarBuilder<'a> {
    /// The root of `source`.
    pub fn new(source: impl TensorSource + 'a, device: &Device, precision: Precision) -> Self {
        VarBuilder {
            source: Arc::new(source),
            device: device.clone(),
            precision,
            path: String::new(),
        }
    }

    /// The tensors of a map, for tests and made-up networks, computed in `f32`.
    pub fn from_tensors(tensors: HashMap<String, Tensor>, device: &Device) -> VarBuilder<'static> {
        VarBuilder::new(Map(tensors), device, Precision::F32)
    }

    /// The branch `name` below this place.
    #[must_use]
    pub fn pp(&self, name: impl ToString) -> Self {
        VarBuilder { path: self.name(&name.to_string()), ..self.clone() }
    }

    /// The names from the root to this place, with dots between.
    pub fn prefix(&self) -> &str {
        &self.path
    }

    /// The device that tensors are put on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The arithmetic of layers loaded from here.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The tensor `name` of `shape`, as `f32`.
    ///
    /// # Errors
    ///
    /// When it is missing or has another shape.
    pub fn get(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
        let tensor = self.source.tensor(&self.name(name), &shape.into(), false, &self.device)?;
        tensor.to_dtype(DType::F32)
    }

    /// The tensor `name` of `shape`, as `f32` or `f16`.
    ///
    /// # Errors
    ///
    /// When it is missing or has another shape.
    pub fn get_stored(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
        self.source.tensor(&self.name(name), &shape.into(), true, &self.device)
    }

    /// Whether there is a tensor `name` here.
    pub fn contains_tensor(&self, name: &str) -> bool {
        self.source.contains(&self.name(name))
    }

    fn name(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

struct Map(HashMap<String, Tensor>);

impl TensorSource for Map {
    fn tensor(&self, name: &str, shape: &Shape, _: bool, device: &Device) -> Result<Tensor> {
        let Some(tensor) = self.0.get(name) else { bail!("there is no tensor {name}") };
        if tensor.shape() != shape {
            bail!("tensor {name} has shape {:?}, expected {shape:?}", tensor.shape())
        }
        tensor.to_device(device)
    }

    fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths() {
        let device = Device::Cpu;
        let bias = Tensor::zeros(3, DType::F32, &device).expect("a tensor");
        let tensors = HashMap::from([("blocks.0.bias".to_owned(), bias)]);
        let vb = VarBuilder::from_tensors(tensors, &device).pp("blocks").pp(0);
        assert!(vb.contains_tensor("bias") && !vb.contains_tensor("weight"));
        assert_eq!(vb.get(3, "bias").expect("a tensor").dims(), [3]);
        assert!(vb.get(4, "bias").is_err());
        assert!(vb.get(3, "weight").is_err());
    }
}
