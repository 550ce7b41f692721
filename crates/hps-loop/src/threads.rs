//! The one pool of threads that computes.

use hps_core::{Error, ErrorKind, Result};

/// Sizes the pool: `count` threads, or one per core for 0. Returns the size.
///
/// Call it once, before anything computes; an embedding program that has a pool
/// of its own does not call it at all. The number of threads changes no result.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] when the pool is running already.
pub fn init_threads(count: usize) -> Result<usize> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
    pool.thread_name(|index| format!("compute-{index}")).build_global().map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, "the threads are running already").with_source(error)
    })?;
    Ok(rayon::current_num_threads())
}
