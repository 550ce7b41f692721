//! Scaled dot-product attention.

use hps_core::Result;
use hps_nn::{Mask, attention as attend, model_error};

use super::{Bench, BenchOptions, Case, Report, Work, random};

/// Measures attention without a mask over `[batch, heads, queries, keys, head size]`;
/// `sink` sees each case when it is done.
///
/// # Errors
///
/// [`hps_core::ErrorKind::Interrupted`] after `cancel` was set.
pub fn attention(
    shapes: &[[usize; 5]],
    options: &BenchOptions<'_>,
    sink: &mut dyn FnMut(&Case),
) -> Result<Report> {
    let mut bench = Bench::new("attention", options);
    for &[batch, heads, queries, keys, size] in shapes {
        let width = heads * size;
        let q = random::tensor((batch, queries, width)).map_err(model_error)?;
        let k = random::tensor((batch, keys, width)).map_err(model_error)?;
        let v = random::tensor((batch, keys, width)).map_err(model_error)?;
        for &precision in options.precisions {
            let work = Work {
                name: format!("batch {batch}, {heads} heads of {size}, {queries}x{keys}"),
                flops: 4.0 * (batch * heads * queries * keys * size) as f64,
                items: None,
                run: Box::new(|| {
                    let ys = attend(&q, &k, &v, heads, Mask::None, precision);
                    ys.map(drop).map_err(model_error)
                }),
            };
            bench.measure(precision, work, sink)?;
        }
    }
    Ok(bench.finish())
}
