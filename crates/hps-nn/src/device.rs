//! Devices by name.

use candle_core::Device;
use hps_core::{DeviceSpec, Error, ErrorKind, Result};

use crate::kernel::{KernelChoice, kernel};

/// Opens the device that `spec` names.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] if this build has no support for the device, or
/// the machine does not have it, or if `HPS_NN_KERNEL` asks for a kernel that it
/// cannot run.
pub fn open_device(spec: DeviceSpec) -> Result<Device> {
    match spec {
        DeviceSpec::Cpu => KernelChoice::of_process().map(|_| Device::Cpu),
        DeviceSpec::Cuda(index) if cfg!(feature = "cuda") => {
            Device::new_cuda(index).map_err(|error| unavailable(spec, error))
        }
        DeviceSpec::Metal if cfg!(feature = "metal") => {
            Device::new_metal(0).map_err(|error| unavailable(spec, error))
        }
        DeviceSpec::Cuda(_) => Err(not_built(spec, "cuda")),
        DeviceSpec::Metal => Err(not_built(spec, "metal")),
    }
}

/// The name of the arithmetic used on `device`, for records. Processors with
/// different instructions may differ in the last bits of a result.
pub fn kernel_name(device: &Device) -> &'static str {
    match device {
        Device::Cpu => kernel().name(),
        Device::Cuda(_) => "candle-cuda",
        Device::Metal(_) => "candle-metal",
    }
}

fn unavailable(spec: DeviceSpec, error: candle_core::Error) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("cannot open device '{spec}'"))
        .with_source(error)
        .with_hint("Use `--device cpu`, or check the driver with the vendor's tool.")
}

fn not_built(spec: DeviceSpec, feature: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("device '{spec}' needs a build with the feature '{feature}'"),
    )
    .with_hint(format!("Use `--device cpu`, or build with `--features {feature}`."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        assert!(matches!(open_device(DeviceSpec::Cpu), Ok(Device::Cpu)));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_missing_feature_is_named() {
        let error = open_device(DeviceSpec::Cuda(0)).expect_err("not built with CUDA");
        assert!(error.hint().is_some_and(|hint| hint.contains("--features cuda")));
    }
}
