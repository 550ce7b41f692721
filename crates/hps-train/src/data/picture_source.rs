//! Where pictures come from, and the threads that ask for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use hps_core::{Error, ErrorKind, Result};

use super::dataset::Dataset;

/// Where pictures come from, decoded and preprocessed.
pub trait PictureSource: Send + Sync {
    /// The picture of this name as `3 * size * size` values: channel, row, column,
    /// normalised as the model wants them. Called from many threads at once.
    ///
    /// # Errors
    ///
    /// When this picture cannot be read.
    fn load(&self, image: &str) -> Result<Vec<f32>>;

    /// Width and height of every picture.
    fn size(&self) -> usize;
}

/// A picture to be decoded: image `image` of slot `slot` of the batch at `batch`.
pub(super) struct Job {
    pub(super) batch: u64,
    pub(super) slot: usize,
    pub(super) comparison: usize,
    pub(super) image: usize,
}

/// A [`Job`] after its thread is done with it.
pub(super) struct Done {
    pub(super) job: Job,
    pub(super) picture: Result<Vec<f32>>,
}

/// Decodes pictures until there are no more jobs.
pub(super) fn work(
    data: &Dataset,
    source: &dyn PictureSource,
    queue: &Mutex<Receiver<Job>>,
    results: &Sender<Done>,
) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let comparison = data.comparisons.get(job.comparison);
        let picture = match comparison.and_then(|comparison| comparison.images.get(job.image)) {
            Some(image) => load(source, image),
            None => Err(Error::new(ErrorKind::InvalidInput, "no such picture")),
        };
        if results.send(Done { job, picture }).is_err() {
            return;
        }
    }
}

fn load(source: &dyn PictureSource, image: &str) -> Result<Vec<f32>> {
    // A source that panics on some picture must not take the others with it;
    // nothing it touched is used afterwards.
    let picture = catch_unwind(AssertUnwindSafe(|| source.load(image))).unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Model, format!("{image}: reading the picture panicked")))
    })?;
    let expected = 3 * source.size() * source.size();
    if picture.len() != expected {
        let message = format!("{image}: {} values instead of {expected}", picture.len());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(picture)
}
