//! The tensors of a model by open_clip's names, and their gradients.

use std::collections::HashMap;

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, bail};
use hps_clip::{ClipConfig, clip_tensors};
use hps_core::{Error, ErrorKind};
use hps_nn::model_error;
use hps_weights::Checkpoint;
use rayon::prelude::*;

use super::host::{HostValues, on_host};
use crate::optimiser::overwrite;

/// A tensor of [`Parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(usize);

/// All tensors of a CLIP model in `f32`, and which of them are trained.
pub struct Parameters {
    names: Vec<String>,
    values: Vec<Tensor>,
    trainable: Vec<bool>,
    ids: HashMap<String, Id>,
}

impl Parameters {
    /// The tensors of `config`, each taken from `get` by name and shape. All of them
    /// are trained until [`restrict`](Self::restrict) says otherwise.
    ///
    /// # Errors
    ///
    /// What `get` reports, or when a tensor it gives has another shape.
    pub fn new(
        config: &ClipConfig,
        mut get: impl FnMut(&str, &[usize]) -> Result<Tensor>,
    ) -> Result<Self> {
        let specs = clip_tensors(config);
        let (mut names, mut values, mut ids) = (Vec::new(), Vec::new(), HashMap::new());
        for spec in specs {
            let value = get(&spec.name, &spec.shape)?;
            if value.dims() != spec.shape {
                bail!("tensor {} has shape {:?}, not {:?}", spec.name, value.dims(), spec.shape)
            }
            ids.insert(spec.name.clone(), Id(names.len()));
            names.push(spec.name);
            values.push(value.contiguous()?);
        }
        Ok(Parameters { trainable: vec![true; names.len()], names, values, ids })
    }

    /// No tensors.
    pub(crate) fn empty() -> Self {
        let (names, values, trainable, ids) = Default::default();
        Parameters { names, values, trainable, ids }
    }

    /// The tensors of `config` from a checkpoint with open_clip's names.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidWeights`] when the checkpoint is of another
    /// architecture.
    pub fn load(
        config: &ClipConfig,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> hps_core::Result<Self> {
        checkpoint.check(&clip_tensors(config), &["attn_mask", "position_ids"])?;
        let get = |name: &str, _: &[usize]| {
            checkpoint.tensor(name, device).map_err(candle_core::Error::wrap)
        };
        Parameters::new(config, get).map_err(model_error)
    }

    /// Trains the tensors whose names `trains` accepts, and no others.
    pub fn restrict(&mut self, trains: impl Fn(&str) -> bool) {
        for (name, trainable) in self.names.iter().zip(&mut self.trainable) {
            *trainable = trains(name);
        }
    }

    /// Names and values of all tensors.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.names.iter().map(String::as_str).zip(&self.values)
    }

    /// Names and values of the tensors that are trained.
    pub fn trainable(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.iter().zip(&self.trainable).filter(|(_, trainable)| **trainable).map(|(pair, _)| pair)
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.ids.get(name).and_then(|id| self.values.get(id.0))
    }

    /// Replaces a tensor by one of the same shape.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidWeights`] when there is none of this name and
    /// shape.
    pub fn set(&mut self, name: &str, value: Tensor) -> hps_core::Result<()> {
        let slot = self.ids.get(name).and_then(|id| self.values.get_mut(id.0));
        match slot.filter(|slot| slot.dims() == value.dims()) {
            Some(slot) => {
                *slot = value;
                Ok(())
            }
            None => {
                let message = format!("the model has no {name} of shape {:?}", value.dims());
                Err(Error::new(ErrorKind::InvalidWeights, message))
            }
        }
    }

    /// Sets a scalar.
    ///
    /// # Errors
    ///
    /// When there is no scalar of this name.
    pub fn set_scalar(&mut self, name: &str, value: f32) -> Result<()> {
        let tensor = self.value(self.id(name)?);
        overwrite(tensor, &Tensor::new(value, tensor.device())?)
    }

    /// Where the tensors are.
    pub fn device(&self) -> &Device {
        self.values.first().map_or(&Device::Cpu, Tensor::device)
    }

    pub(crate) fn id(&self, name: &str) -> Result<Id> {
        match self.ids.get(name) {
            Some(&id) => Ok(id),
            None => bail!("the model has no tensor {name}"),
        }
    }

    pub(crate) fn value(&self, id: Id) -> &Tensor {
        &self.values[id.0]
    }

    pub(crate) fn is_trainable(&self, id: Id) -> bool {
        self.trainable[id.0]
    }
}

/// The gradients of the parameters that are trained: sums over all that has been
/// added since they were made.
pub struct Gradients {
    sums: Vec<Option<Tensor>>,
    trainable: Vec<bool>,
}

impl Gradients {
    /// No gradients yet.
    pub fn new(parameters: &Parameters) -> Self {
        let sums = vec![None; parameters.values.len()];
        Gradients { sums, trainable: parameters.trainable.clone() }
    }

    /// Forgets the sums.
    pub fn clear(&mut self) {
        self.sums.fill(None);
    }

    /// The gradient of the parameter `name` of `parameters`; `None` where nothing
    /// has been added.
    pub fn get(&self, parameters: &Parameters, name: &str) -> Option<&Tensor> {
        let id = parameters.ids.get(name)?;
        self.sums.get(id.0)?.as_ref()
    }

    pub(crate) fn wants(&self, id: Id) -> bool {
        self.trainable[id.0]
    }

    /// Adds `gradient` to the sum of `id`, where it is trained.
    pub(crate) fn add(&mut self, id: Id, gradient: Tensor) -> Result<()> {
        if !self.wants(id) {
            return Ok(());
        }
        let slot = &mut self.sums[id.0];
        match slot {
            // A copy: others may go on to use the storage.
            None => *slot = Some(gradient.copy()?.contiguous()?),
            Some(sum) if on_host(sum) => sum.inplace_op2(&gradient.contiguous()?, &Add)?,
            Some(sum) => *sum = sum.add(&gradient)?,
        }
        Ok(())
    }

    /// The sum of `id`, on the host, to add to: zeros of `shape` at first.
    pub(crate) fn sum(&mut self, id: Id, like: &Tensor) -> Result<&Tensor> {
        let slot = &mut self.sums[id.0];
        if slot.is_none() {
            *slot = Some(like.zeros_like()?);
        }
        match slot {
            Some(sum) => Ok(sum),
            None => bail!("a gradient was not made"),
        }
    }

    /// The L2 norm of all gradients together, in the order of the parameters.
    ///
    /// # Errors
    ///
    /// When a gradient cannot be read.
    pub fn norm(&self) -> Result<f64> {
        let mut squares = 0f64;
        for sum in self.sums.iter().flatten() {
            squares += squared_norm(sum)?;
        }
        Ok(squares.sqrt())
    }

    /// The gradients by name, in the order of the parameters.
    pub fn iter<'a>(
        &'a self,
        parameters: &'a Parameters,
    ) -> impl Iterator<Item = (&'a str, &'a Tensor, &'a Tensor)> {
        let named = parameters.names.iter().zip(&parameters.values).zip(&self.sums);
        named.filter_map(|((name, value), sum)| Some((name.as_str(), value, sum.as_ref()?)))
    }
}

/// Values summed at a time; part of the result, since sums are made of such parts.
const CHUNK: usize = 1 << 16;

/// The sum of squares of all values, in f64.
///
/// # Errors
///
/// When the values cannot be read.
pub fn squared_norm(tensor: &Tensor) -> Result<f64> {
    if !on_host(tensor) {
        return Ok(f64::from(tensor.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    let tensor = tensor.contiguous()?;
    let values = HostValues::of(&tensor)?;
    let parts: Vec<f64> = values
        .slice()?
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().map(|&x| f64::from(x) * f64::from(x)).sum())
        .collect();
    Ok(parts.into_iter().sum())
}

struct Add;

impl InplaceOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        sum: &mut CpuStorage,
        sum_layout: &Layout,
        other: &CpuStorage,
        other_layout: &Layout,
    ) -> Result<()> {
        let sum = host_mut(sum, sum_layout)?;
        let other = host(other, other_layout)?;
        if sum.len() != other.len() {
            bail!("{} values added to {}", other.len(), sum.len())
        }
        sum.par_chunks_mut(CHUNK).zip(other.par_chunks(CHUNK)).for_each(|(sum, other)| {
            sum.iter_mut().zip(other).for_each(|(a, b)| *a += b);
        });
        Ok(())
    }
}

/// The values of a contiguous operand of an in-place operation.
pub(crate) fn host<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(values.get(start..end).unwrap_or_default()),
        None => bail!("an operand of {:?} is not contiguous", layout.shape()),
    }
}

/// The values of the contiguous result of an in-place operation.
pub(crate) fn host_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let CpuStorage::F32(values) = storage else { bail!("only f32 can be trained") };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(values.get_mut(start..end).unwrap_or_default()),
        None => bail!("a result of {:?} is not contiguous", layout.shape()),
    }
}
