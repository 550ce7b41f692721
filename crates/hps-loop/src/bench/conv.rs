//! Convolutions of Stable Diffusion's networks.

use hps_core::Result;
use hps_nn::{Conv2d, Conv2dConfig, model_error};

use super::{Bench, BenchOptions, Case, Report, Work, random};

/// Measures convolutions that keep the size, `[channels in, channels out, side of the
/// kernel, side of the picture]`; `sink` sees each case when it is done.
///
/// # Errors
///
/// [`hps_core::ErrorKind::Interrupted`] after `cancel` was set.
pub fn conv(
    shapes: &[[usize; 4]],
    options: &BenchOptions<'_>,
    sink: &mut dyn FnMut(&Case),
) -> Result<Report> {
    let mut bench = Bench::new("conv", options);
    for &[inputs, outputs, kernel, side] in shapes {
        let config = Conv2dConfig { kernel, stride: 1, padding: kernel / 2 };
        let weight = random::tensor((outputs, inputs, kernel, kernel)).map_err(model_error)?;
        let weight = weight.to_dtype(candle_core::DType::F16).map_err(model_error)?;
        let xs = random::tensor((1, inputs, side, side)).map_err(model_error)?;
        for &precision in options.precisions {
            let layer = Conv2d::new(&weight, None, config, precision).map_err(model_error)?;
            let macs = (inputs * outputs * kernel * kernel * side * side) as f64;
            let work = Work {
                name: format!("{kernel}x{kernel}, {inputs} to {outputs} channels at {side}x{side}"),
                flops: 2.0 * macs,
                items: None,
                run: Box::new(|| layer.forward(&xs).map(drop).map_err(model_error)),
            };
            bench.measure(precision, work, sink)?;
        }
    }
    Ok(bench.finish())
}
