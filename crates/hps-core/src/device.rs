//! Where models run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// A device by name: `cpu`, `cuda`, `cuda:N` or `metal`.
///
/// Naming a device says nothing about whether this build or machine has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceSpec {
    /// The host processor.
    #[default]
    Cpu,
    /// The CUDA device with this index.
    Cuda(usize),
    /// The Metal device.
    Metal,
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceSpec::Cpu => f.write_str("cpu"),
            DeviceSpec::Cuda(index) => write!(f, "cuda:{index}"),
            DeviceSpec::Metal => f.write_str("metal"),
        }
    }
}

impl FromStr for DeviceSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(DeviceSpec::Cpu),
            None if text == "cuda" => Ok(DeviceSpec::Cuda(0)),
            None if text == "metal" => Ok(DeviceSpec::Metal),
            Some(("cuda", index)) if index.parse::<usize>().is_ok() => {
                Ok(DeviceSpec::Cuda(index.parse().unwrap_or_default()))
            }
            _ => Err(Error::new(ErrorKind::InvalidConfig, format!("unknown device '{text}'"))
                .with_hint("Devices are cpu, cuda, cuda:N and metal.")),
        }
    }
}

impl TryFrom<String> for DeviceSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<DeviceSpec> for String {
    fn from(device: DeviceSpec) -> String {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for device in [DeviceSpec::Cpu, DeviceSpec::Cuda(0), DeviceSpec::Cuda(3), DeviceSpec::Metal]
        {
            assert_eq!(device.to_string().parse::<DeviceSpec>().ok(), Some(device));
        }
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cpu:0", "cuda:-1"] {
            assert!(wrong.parse::<DeviceSpec>().is_err(), "{wrong}");
        }
    }
}
