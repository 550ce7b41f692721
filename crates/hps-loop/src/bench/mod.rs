//! Measuring what this machine makes of the models' arithmetic.
//!
//! Every case runs several times after a warm-up; the median is the number to quote and
//! the minimum says how quiet the machine was.

mod attention;
mod clip;
mod conv;
mod gemm;
mod machine;
mod random;
mod score;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hps_core::{Error, ErrorKind, Precision, Result};
use serde::Serialize;

pub use attention::attention;
pub use clip::{ClipBench, clip};
pub use conv::conv;
pub use gemm::gemm;
pub use machine::{Machine, peak_resident_bytes};
pub use score::{ScoreBench, ScoreReport, score};

/// How cases are run.
#[derive(Clone, Copy, Debug)]
pub struct BenchOptions<'a> {
    /// Precisions to measure.
    pub precisions: &'a [Precision],
    /// Runs that count; at least 1. One more comes first and does not.
    pub runs: usize,
    /// Set to stop after the run that is going on.
    pub cancel: &'a AtomicBool,
}

/// The results of one benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub bench: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// One entry per case and precision.
    pub cases: Vec<Case>,
}

/// One measured case.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// What was computed, with its sizes.
    pub name: String,
    /// The precision.
    pub precision: Precision,
    /// The kernel, as in every record.
    pub kernel: &'static str,
    /// Median time of a run, in seconds.
    pub median_s: f64,
    /// Time of the quickest run, in seconds.
    pub min_s: f64,
    /// Runs that counted.
    pub runs: usize,
    /// Floating-point operations of one run: two for each multiply-add of the products.
    pub flops: f64,
    /// Billions of them per second, by the median.
    pub gflops: f64,
    /// Their share of what the same cores reach without reading memory.
    pub peak_share: f64,
    /// Pictures or other items of one run, where it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<usize>,
    /// Largest memory of the process so far, in bytes; unknown on some systems.
    pub peak_rss_bytes: Option<u64>,
}

/// What one run computes.
struct Work<'a> {
    name: String,
    flops: f64,
    items: Option<usize>,
    run: Box<dyn FnMut() -> Result<()> + 'a>,
}

/// Collects cases.
struct Bench<'a> {
    options: &'a BenchOptions<'a>,
    report: Report,
}

impl<'a> Bench<'a> {
    fn new(bench: &'static str, options: &'a BenchOptions<'a>) -> Self {
        let machine = Machine::of_process();
        Bench { options, report: Report { bench, machine, cases: Vec::new() } }
    }

    /// Runs `work` and hands its numbers to `sink`.
    fn measure(
        &mut self,
        precision: Precision,
        mut work: Work<'_>,
        sink: &mut dyn FnMut(&Case),
    ) -> Result<()> {
        let mut seconds = Vec::new();
        for run in 0..=self.options.runs.max(1) {
            if self.options.cancel.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Interrupted, "stopped before all cases ran"));
            }
            let begun = Instant::now();
            (work.run)()?;
            if run > 0 {
                seconds.push(begun.elapsed().as_secs_f64());
            }
        }
        let median_s = median(&mut seconds);
        let gflops = work.flops / median_s / 1e9;
        let peak = self.report.machine.peak_gflops(precision);
        let case = Case {
            name: work.name,
            precision,
            kernel: self.report.machine.kernel,
            median_s,
            min_s: seconds.first().copied().unwrap_or(median_s),
            runs: seconds.len(),
            flops: work.flops,
            gflops,
            peak_share: gflops / peak,
            items: work.items,
            peak_rss_bytes: peak_resident_bytes(),
        };
        sink(&case);
        self.report.cases.push(case);
        Ok(())
    }

    fn finish(self) -> Report {
        self.report
    }
}

/// Sorts `values` and returns the middle one, or the mean of the middle two.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn small_products_are_measured() {
        let never = AtomicBool::new(false);
        let options = BenchOptions { precisions: &Precision::ALL, runs: 3, cancel: &never };
        let report = gemm(&[[5, 33, 64]], &options, &mut |_| ()).expect("a report");
        assert_eq!(report.cases.len(), Precision::ALL.len());
        for case in &report.cases {
            assert_eq!(case.flops, 2.0 * 5.0 * 33.0 * 64.0);
            assert!(case.min_s <= case.median_s && case.gflops > 0.0, "{case:?}");
        }
        let stop = AtomicBool::new(true);
        let options = BenchOptions { cancel: &stop, ..options };
        let error = gemm(&[[5, 33, 64]], &options, &mut |_| ()).expect_err("stopped");
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
}
