//! Devices by name.

use candle_core::Device;
use hps_core::{DeviceSpec, Error, ErrorKind, Result};

/// Opens the device that `spec` names.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] if this build has no support for the device, or
/// the machine does not have it.
pub fn open_device(spec: DeviceSpec) -> Result<Device> {
    match spec {
        DeviceSpec::Cpu => Ok(Device::Cpu),
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
        Device::Cpu => host_kernel(),
        Device::Cuda(_) => "candle-cuda",
        Device::Metal(_) => "candle-metal",
    }
}

#[cfg(target_arch = "x86_64")]
fn host_kernel() -> &'static str {
    // The choice that `gemm` makes at run time.
    if std::is_x86_feature_detected!("avx512f") {
        "gemm-avx512"
    } else if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        "gemm-avx2"
    } else {
        "gemm-portable"
    }
}

#[cfg(target_arch = "aarch64")]
fn host_kernel() -> &'static str {
    "gemm-neon"
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn host_kernel() -> &'static str {
    "gemm-portable"
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
