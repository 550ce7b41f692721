//! How fast products could be at best: multiply-adds alone, with all operands in
//! registers.

#[cfg(not(target_arch = "x86_64"))]
use std::hint::black_box;
use std::time::Instant;

use hps_core::Precision;

use super::choice::Kernel;

/// Floating-point operations a second that one thread can reach in products of `kernel`
/// and `precision`, measured in some tens of milliseconds; `None` where the kernel is not
/// available. A multiply-add counts as two; what splitting operands adds does not count,
/// so a product of `[m, k]` and `[k, n]` is always `2 m n k` operations.
pub fn peak_flops(kernel: Kernel, precision: Precision) -> Option<f64> {
    if !kernel.is_available() {
        return None;
    }
    Some(best_of(5, multiply_adds(kernel, precision)))
}

/// The largest rate of several runs of `work`, which takes a number of rounds and returns
/// the operations of one.
fn best_of(runs: usize, work: fn(usize) -> f64) -> f64 {
    const ROUNDS: usize = 100_000;
    let rate = |_| {
        let start = Instant::now();
        let operations = work(ROUNDS);
        operations * ROUNDS as f64 / start.elapsed().as_secs_f64()
    };
    (0..runs).map(rate).fold(0.0, f64::max)
}

#[cfg(target_arch = "x86_64")]
fn multiply_adds(kernel: Kernel, precision: Precision) -> fn(usize) -> f64 {
    match (kernel, precision) {
        (Kernel::Amx, Precision::Fast) => |rounds| super::amx_unit::tile_products(rounds),
        // A product of split operands takes three.
        (Kernel::Amx, Precision::Accurate) => |rounds| super::amx_unit::tile_products(rounds) / 3.0,
        (Kernel::Avx512Bf16, Precision::Fast) => x86::avx512_bf16,
        (Kernel::Amx | Kernel::Avx512Bf16 | Kernel::Avx512, _) => x86::avx512,
        (Kernel::Avx2, _) => x86::avx2,
        (Kernel::Portable, _) => x86::sse2,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_adds(_: Kernel, _: Precision) -> fn(usize) -> f64 {
    portable
}

/// Sums in vectors of four, as most processors have them.
#[cfg(not(target_arch = "x86_64"))]
fn portable(rounds: usize) -> f64 {
    let (a, b) = (black_box([0.999f32; 4]), black_box([1e-3f32; 4]));
    let mut sums = [[0f32; 4]; 12];
    for _ in 0..rounds {
        for sum in &mut sums {
            for ((sum, a), b) in sum.iter_mut().zip(&a).zip(&b) {
                *sum = *sum * a + b;
            }
        }
    }
    black_box(sums);
    2.0 * 4.0 * 12.0
}

/// Loops over independent sums, enough of them to hide the latency of an instruction.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// What plain code is compiled to. A multiplication and an addition each take an
    /// instruction; here they need not wait for one another.
    pub(super) fn sse2(rounds: usize) -> f64 {
        const SUMS: usize = 7;
        #[target_feature(enable = "sse2")]
        fn run(rounds: usize) {
            let (a, b) = (black_box(_mm_set1_ps(1.0)), black_box(_mm_set1_ps(1e-3)));
            let (mut products, mut sums) = ([a; SUMS], [b; SUMS]);
            for _ in 0..rounds {
                products.iter_mut().for_each(|product| *product = _mm_mul_ps(*product, a));
                sums.iter_mut().for_each(|sum| *sum = _mm_add_ps(*sum, b));
            }
            black_box((products, sums));
        }
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { run(rounds) };
        2.0 * 4.0 * SUMS as f64
    }

    pub(super) fn avx2(rounds: usize) -> f64 {
        const SUMS: usize = 12;
        #[target_feature(enable = "avx2,fma")]
        fn run(rounds: usize) {
            let (a, b) = (black_box(_mm256_set1_ps(0.5)), black_box(_mm256_set1_ps(0.25)));
            let mut sums = [_mm256_setzero_ps(); SUMS];
            for _ in 0..rounds {
                sums.iter_mut().for_each(|sum| *sum = _mm256_fmadd_ps(a, b, *sum));
            }
            black_box(sums);
        }
        // SAFETY: `peak_flops` has seen that the kernel is available.
        unsafe { run(rounds) };
        2.0 * 8.0 * SUMS as f64
    }

    pub(super) fn avx512(rounds: usize) -> f64 {
        const SUMS: usize = 24;
        #[target_feature(enable = "avx512f")]
        fn run(rounds: usize) {
            let (a, b) = (black_box(_mm512_set1_ps(0.5)), black_box(_mm512_set1_ps(0.25)));
            let mut sums = [_mm512_setzero_ps(); SUMS];
            for _ in 0..rounds {
                sums.iter_mut().for_each(|sum| *sum = _mm512_fmadd_ps(a, b, *sum));
            }
            black_box(sums);
        }
        // SAFETY: `peak_flops` has seen that the kernel is available.
        unsafe { run(rounds) };
        2.0 * 16.0 * SUMS as f64
    }

    pub(super) fn avx512_bf16(rounds: usize) -> f64 {
        const SUMS: usize = 24;
        #[target_feature(enable = "avx512f,avx512bf16")]
        fn run(rounds: usize) {
            // 0.5 in both halves.
            let words = black_box(_mm512_set1_epi32(0x3f00_3f00));
            // SAFETY: both are 64 bytes, of which any are a value.
            let pairs: __m512bh = unsafe { std::mem::transmute(words) };
            let mut sums = [_mm512_setzero_ps(); SUMS];
            for _ in 0..rounds {
                sums.iter_mut().for_each(|sum| *sum = _mm512_dpbf16_ps(*sum, pairs, pairs));
            }
            black_box(sums);
        }
        // SAFETY: `peak_flops` has seen that the kernel is available.
        unsafe { run(rounds) };
        2.0 * 32.0 * SUMS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_kernels_have_a_rate() {
        for kernel in Kernel::ALL {
            for precision in Precision::ALL {
                let rate = peak_flops(kernel, precision);
                assert_eq!(rate.is_some(), kernel.is_available());
                // Between a processor of long ago and one of far ahead.
                assert!(rate.is_none_or(|rate| (1e7..1e14).contains(&rate)), "{rate:?}");
            }
        }
    }
}
