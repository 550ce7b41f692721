//! Half floats to floats at the speed of memory. (What the crate `half` has for slices
//! works through a buffer of four or eight values, five times slower.)
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::f16;

/// Converts `from` to `to`, which must have the same length, a multiple of 16.
#[target_feature(enable = "avx512f")]
pub(super) fn widen_avx512(from: &[f16], to: &mut [f32]) {
    assert!(from.len() == to.len() && from.len().is_multiple_of(16));
    for (from, to) in from.chunks_exact(16).zip(to.chunks_exact_mut(16)) {
        // SAFETY: both have 16 values.
        unsafe {
            let halves = _mm256_loadu_si256(from.as_ptr().cast());
            _mm512_storeu_ps(to.as_mut_ptr(), _mm512_cvtph_ps(halves));
        }
    }
}

/// Converts `from` to `to`, which must have the same length, a multiple of 8.
#[target_feature(enable = "avx2,f16c")]
pub(super) fn widen_avx2(from: &[f16], to: &mut [f32]) {
    assert!(from.len() == to.len() && from.len().is_multiple_of(8));
    for (from, to) in from.chunks_exact(8).zip(to.chunks_exact_mut(8)) {
        // SAFETY: both have 8 values.
        unsafe {
            let halves = _mm_loadu_si128(from.as_ptr().cast());
            _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(halves));
        }
    }
}
