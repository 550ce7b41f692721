//! Loading a network from a checkpoint, with one complete report of misfits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use hps_core::{Precision, Result};
use hps_nn::{TensorSource, VarBuilder, model_error};
use hps_weights::{Checkpoint, TensorSpec};

/// Builds a network with `load` from the tensors of `checkpoint`.
///
/// Tensors of the file that `load` does not ask for are misfits too, unless
/// `surplus` allows their name.
///
/// # Errors
///
/// [`hps_core::ErrorKind::InvalidWeights`] listing all misfits.
pub(crate) fn load_network<T>(
    checkpoint: &Checkpoint,
    (device, precision): (&Device, Precision),
    surplus: impl Fn(&str) -> bool,
    load: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<T>,
) -> Result<T> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let backend = Recording {
        checkpoint: checkpoint.clone(),
        requests: Arc::clone(&requests),
        misfits: AtomicUsize::new(0),
    };
    let network = load(VarBuilder::new(backend, device, precision));
    let requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
    let ignored: Vec<&str> =
        checkpoint.tensors().map(|(name, _)| name).filter(|name| surplus(name)).collect();
    checkpoint.check(&requests, &ignored)?;
    network.map_err(|error| model_error(error).context(checkpoint.name()))
}

/// How many misfits are collected, and how many values each may have: a damaged
/// configuration can ask for more than any memory holds.
const MOST_MISFITS: usize = 4096;
const LARGEST_MISFIT: usize = 1 << 28;

/// Notes every request, and serves zeros for tensors that do not fit, so that a
/// single pass finds all of them.
struct Recording {
    checkpoint: Checkpoint,
    requests: Arc<Mutex<Vec<TensorSpec>>>,
    misfits: AtomicUsize,
}

impl Recording {
    /// What is used instead of a tensor that does not fit.
    fn misfit(&self, shape: &Shape, device: &Device) -> candle_core::Result<Tensor> {
        let count = self.misfits.fetch_add(1, Ordering::Relaxed);
        let dims = shape.dims().iter();
        let values = dims.fold(1usize, |values, &dim| values.saturating_mul(dim));
        if count >= MOST_MISFITS || values > LARGEST_MISFIT {
            candle_core::bail!("the tensors do not fit the configuration")
        }
        Tensor::zeros(shape, DType::F32, device)
    }
}

impl TensorSource for Recording {
    fn tensor(
        &self,
        name: &str,
        shape: &Shape,
        stored: bool,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let fits = self.checkpoint.info(name).is_some_and(|info| info.shape == shape.dims());
        let spec = TensorSpec::new(name, shape.dims());
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(spec);
        match fits {
            true => TensorSource::tensor(&self.checkpoint, name, shape, stored, device),
            false => self.misfit(shape, device),
        }
    }

    fn contains(&self, name: &str) -> bool {
        self.checkpoint.contains(name)
    }
}
