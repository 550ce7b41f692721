//! Which kernel this process uses.

use std::sync::OnceLock;

use hps_core::{Error, ErrorKind, Result};

/// The environment variable that forces a kernel.
const VARIABLE: &str = "HPS_NN_KERNEL";

/// An instruction set that products are written for, the fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernel {
    /// Tile registers with bf16 products (AMX), and AVX-512 for the rest.
    Amx,
    /// AVX-512 with bf16 dot products.
    Avx512Bf16,
    /// AVX-512.
    Avx512,
    /// AVX2 with fused multiply-add and half-float conversion.
    Avx2,
    /// What every processor can do.
    Portable,
}

impl Kernel {
    /// Every kernel, the fastest first.
    pub const ALL: [Kernel; 5] =
        [Kernel::Amx, Kernel::Avx512Bf16, Kernel::Avx512, Kernel::Avx2, Kernel::Portable];

    /// The name used in records and in `HPS_NN_KERNEL`.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Amx => "amx",
            Kernel::Avx512Bf16 => "avx512-bf16",
            Kernel::Avx512 => "avx512",
            Kernel::Avx2 => "avx2",
            Kernel::Portable => "portable",
        }
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        self.missing().is_none()
    }

    /// What this machine lacks to run it; `None` if it can.
    pub fn missing(self) -> Option<&'static str> {
        if self == Kernel::Portable { None } else { missing(self) }
    }
}

#[cfg(target_arch = "x86_64")]
fn missing(kernel: Kernel) -> Option<&'static str> {
    macro_rules! lacks {
        ($($feature:tt),*) => {
            $(if !std::is_x86_feature_detected!($feature) { return Some($feature) })*
        };
    }
    lacks!("avx2", "fma", "f16c");
    if kernel != Kernel::Avx2 {
        lacks!("avx512f", "avx512bw", "avx512dq", "avx512vl");
    }
    if matches!(kernel, Kernel::Avx512Bf16 | Kernel::Amx) {
        lacks!("avx512bf16");
    }
    if kernel == Kernel::Amx && !super::amx_tiles::available() {
        return Some("amx-bf16");
    }
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn missing(_: Kernel) -> Option<&'static str> {
    Some("an x86-64 processor")
}

/// The kernel in use, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelChoice {
    /// The kernel.
    pub kernel: Kernel,
    /// Whether `HPS_NN_KERNEL` asked for it.
    pub forced: bool,
}

impl KernelChoice {
    /// The choice of this process.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if `HPS_NN_KERNEL` names a kernel that does not
    /// exist or that this machine cannot run.
    pub fn of_process() -> Result<KernelChoice> {
        match std::env::var(VARIABLE) {
            Ok(name) if !name.is_empty() => forced(&name),
            _ => Ok(KernelChoice { kernel: fastest(), forced: false }),
        }
    }
}

fn forced(name: &str) -> Result<KernelChoice> {
    let names: Vec<_> = Kernel::ALL.iter().map(|kernel| kernel.name()).collect();
    let kernel = Kernel::ALL.into_iter().find(|kernel| kernel.name() == name).ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, format!("{VARIABLE} names no kernel: '{name}'"))
            .with_hint(format!("Set it to one of {}, or unset it.", names.join(", ")))
    })?;
    match kernel.missing() {
        None => Ok(KernelChoice { kernel, forced: true }),
        Some(missing) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{VARIABLE} asks for '{name}', but this machine lacks {missing}"),
        )
        .with_hint(format!("Unset it; this machine can run '{}'.", fastest().name()))),
    }
}

fn fastest() -> Kernel {
    Kernel::ALL.into_iter().find(|kernel| kernel.is_available()).unwrap_or(Kernel::Portable)
}

/// The kernel of this process. An unusable `HPS_NN_KERNEL` is reported by
/// [`KernelChoice::of_process`] and `open_device`; here it counts as unset.
pub fn kernel() -> Kernel {
    static KERNEL: OnceLock<Kernel> = OnceLock::new();
    *KERNEL.get_or_init(|| KernelChoice::of_process().map_or_else(|_| fastest(), |c| c.kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_kernel() {
        assert!(Kernel::Portable.is_available());
        assert!(fastest().is_available());
    }

    #[test]
    fn names_are_checked() {
        let choice = forced("portable").expect("a kernel");
        assert_eq!((choice.kernel, choice.forced), (Kernel::Portable, true));
        let error = forced("avx1024").expect_err("no such kernel");
        assert!(error.hint().is_some_and(|hint| hint.contains("avx512-bf16")));
    }
}
