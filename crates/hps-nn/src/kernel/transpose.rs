//! Packing of rows with AVX-512: 16 rows of 16 words are turned in registers.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::panel::{Rows, Values};

const LANES: usize = 16;

/// Packs up to `R` rows into a panel of `[k][R]` floats, missing rows as zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn pack_f32<const R: usize>(rows: Rows<'_>, panel: &mut [f32]) {
    assert!(R <= LANES && panel.len() == rows.k() * R);
    // SAFETY: `panel` holds `k` steps of `R` words.
    unsafe { pack::<R>(rows, rows.k(), panel.as_mut_ptr().cast(), |row, step| load_f32(row, step)) }
}

/// Packs up to `R` rows, rounded to bf16, into a panel of `[k / 2][R][2]`; missing rows
/// and an odd last step as zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) fn pack_bf16<const R: usize>(rows: Rows<'_>, panel: &mut [u16]) {
    let pairs = rows.k().div_ceil(2);
    assert!(R <= LANES && panel.len() == pairs * R * 2);
    // SAFETY: `panel` holds `pairs` steps of `R` words.
    unsafe { pack::<R>(rows, pairs, panel.as_mut_ptr().cast(), |row, step| load_pairs(row, step)) }
}

/// Packs `steps` words of each row as `[steps][R]`.
///
/// # Safety
///
/// `panel` must point to `steps * R` words.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn pack<const R: usize>(
    rows: Rows<'_>,
    steps: usize,
    panel: *mut i32,
    load: impl Fn(Values<'_>, usize) -> __m512i,
) {
    for step in (0..steps).step_by(LANES) {
        let mut words = [_mm512_setzero_si512(); LANES];
        for (row, words) in words.iter_mut().enumerate().take(rows.count().min(R)) {
            *words = load(rows.row(row), step);
        }
        for (lane, words) in transpose(words).into_iter().enumerate().take(steps - step) {
            // SAFETY: the step is below `steps`. Whole vectors are written where those
            // beyond `R` are words of later steps, which are written afterwards.
            unsafe {
                let place = panel.add((step + lane) * R);
                if (step + lane) * R + LANES <= steps * R {
                    _mm512_storeu_si512(place.cast(), words);
                } else {
                    _mm512_mask_storeu_epi32(place, low_lanes(R), words);
                }
            }
        }
    }
}

/// A mask of the first `count` lanes.
fn low_lanes(count: usize) -> u16 {
    if count >= LANES { u16::MAX } else { (1 << count) - 1 }
}

/// 16 values from `start`, with zeros past the end of the row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn load_f32(row: Values<'_>, start: usize) -> __m512i {
    match row {
        Values::F32(row) => {
            let row = row.get(start..).unwrap_or_default();
            // SAFETY: lanes past the end of `row` are masked out.
            unsafe { _mm512_maskz_loadu_epi32(low_lanes(row.len()), row.as_ptr().cast()) }
        }
        Values::Bf16(row) => {
            let row = row.get(start..).unwrap_or_default();
            // SAFETY: as above.
            let halves =
                unsafe { _mm256_maskz_loadu_epi16(low_lanes(row.len()), row.as_ptr().cast()) };
            _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves))
        }
    }
}

/// 16 pairs of bf16 from pair `start`, with zeros past the end of the row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[inline]
fn load_pairs(row: Values<'_>, start: usize) -> __m512i {
    match row {
        Values::F32(_) => {
            let low = _mm512_castsi512_ps(load_f32(row, start * 2));
            let high = _mm512_castsi512_ps(load_f32(row, start * 2 + LANES));
            let pairs = _mm512_cvtne2ps_pbh(high, low);
            // SAFETY: both are 64 bytes, of which any are a value.
            unsafe { std::mem::transmute::<__m512bh, __m512i>(pairs) }
        }
        Values::Bf16(row) => {
            let row = row.get(start * 2..).unwrap_or_default();
            let mask = if row.len() >= 32 { u32::MAX } else { (1 << row.len()) - 1 };
            // SAFETY: lanes past the end of `row` are masked out.
            unsafe { _mm512_maskz_loadu_epi16(mask, row.as_ptr().cast()) }
        }
    }
}

/// Rows become columns.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(rows: [__m512i; LANES]) -> [__m512i; LANES] {
    // Within each quarter of a vector: first pairs of rows, then groups of four.
    let mut pairs = rows;
    for i in (0..LANES).step_by(2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    let mut fours = pairs;
    for i in (0..LANES).step_by(4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    // Then quarters: column `4 q + c` is quarter `q` of the four groups' vector `c`.
    let mut columns = fours;
    for c in 0..4 {
        let low = _mm512_shuffle_i32x4::<0x88>(fours[c], fours[4 + c]);
        let high = _mm512_shuffle_i32x4::<0xdd>(fours[c], fours[4 + c]);
        let low_2 = _mm512_shuffle_i32x4::<0x88>(fours[8 + c], fours[12 + c]);
        let high_2 = _mm512_shuffle_i32x4::<0xdd>(fours[8 + c], fours[12 + c]);
        columns[c] = _mm512_shuffle_i32x4::<0x88>(low, low_2);
        columns[8 + c] = _mm512_shuffle_i32x4::<0xdd>(low, low_2);
        columns[4 + c] = _mm512_shuffle_i32x4::<0x88>(high, high_2);
        columns[12 + c] = _mm512_shuffle_i32x4::<0xdd>(high, high_2);
    }
    columns
}
