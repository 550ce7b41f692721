//! Products as linear layers compute them.

use hps_core::Result;
use hps_nn::{Linear, model_error};

use super::{Bench, BenchOptions, Case, Report, Work, random};

/// Measures `[rows, inner] @ [inner, columns]` for every `[rows, columns, inner]`, with
/// packed half-float weights; `sink` sees each case when it is done.
///
/// # Errors
///
/// [`hps_core::ErrorKind::Interrupted`] after `cancel` was set.
pub fn gemm(
    shapes: &[[usize; 3]],
    options: &BenchOptions<'_>,
    sink: &mut dyn FnMut(&Case),
) -> Result<Report> {
    let mut bench = Bench::new("gemm", options);
    for &[rows, columns, inner] in shapes {
        let weight = random::tensor((columns, inner)).map_err(model_error)?;
        let weight = weight.to_dtype(candle_core::DType::F16).map_err(model_error)?;
        let xs = random::tensor((rows, inner)).map_err(model_error)?;
        for &precision in options.precisions {
            let layer = Linear::new(&weight, None, precision).map_err(model_error)?;
            let work = Work {
                name: format!("{rows}x{columns}x{inner}"),
                flops: 2.0 * rows as f64 * columns as f64 * inner as f64,
                items: None,
                run: Box::new(|| layer.forward(&xs).map(drop).map_err(model_error)),
            };
            bench.measure(precision, work, sink)?;
        }
    }
    Ok(bench.finish())
}
