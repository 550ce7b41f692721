//! The machine that numbers belong to.

use hps_core::Precision;
use hps_nn::{Kernel, KernelChoice, kernel, peak_flops};
use serde::Serialize;

/// What to name beside a number.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name, where the system tells it.
    pub processor: Option<String>,
    /// Threads that compute.
    pub threads: usize,
    /// The kernel in use.
    pub kernel: &'static str,
    /// Whether `HPS_NN_KERNEL` asked for it.
    pub forced: bool,
    /// What all threads reach in registers alone, in GFLOP/s, by precision.
    pub peak_gflops: Vec<(Precision, f64)>,
}

impl Machine {
    /// This machine, with its ceiling measured now.
    pub fn of_process() -> Self {
        let forced = KernelChoice::of_process().is_ok_and(|choice| choice.forced);
        let kernel: Kernel = kernel();
        // All threads at once: cores that share a unit or a clock must not count twice.
        let all =
            |precision| rayon::broadcast(|_| peak_flops(kernel, precision).unwrap_or(f64::NAN));
        let peak = |precision| (precision, all(precision).iter().sum::<f64>() / 1e9);
        Machine {
            processor: processor(),
            threads: rayon::current_num_threads(),
            kernel: kernel.name(),
            forced,
            peak_gflops: Precision::ALL.into_iter().map(peak).collect(),
        }
    }

    /// The ceiling in `precision`, in GFLOP/s.
    pub fn peak_gflops(&self, precision: Precision) -> f64 {
        let found = self.peak_gflops.iter().find(|(of, _)| *of == precision);
        found.map_or(f64::NAN, |&(_, gflops)| gflops)
    }
}

/// The model name of `/proc/cpuinfo`; `None` elsewhere.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The most memory this process has had so far, in bytes; `None` where the system does
/// not tell.
pub fn peak_resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
