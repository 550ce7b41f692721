//! bf16 products with AVX-512: twice the products an instruction of `f32`, summed in
//! `f32`.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::f16;

use super::half_floats::widen_avx512;
use super::panel::Rows;
use super::tile::Tile;
use super::transpose::pack_bf16;
use super::vector::{Routine, avx512};

/// bf16 products with AVX-512. Only made where `Kernel::missing` finds them available.
#[derive(Clone, Copy)]
pub(super) struct Avx512Bf16;

const ROWS: usize = 14;
const LANES: usize = 16;
const COLUMNS: usize = 2 * LANES;

impl Tile for Avx512Bf16 {
    /// The bits of a bf16. Inner steps are paired: panels are `[k / 2][ROWS][2]` and
    /// `[k / 2][COLUMNS][2]`.
    type Element = u16;
    type Session = ();

    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const STEPS: usize = 320;
    const KEEPS_F16: bool = false;
    const ROUNDS_ROWS: bool = true;

    fn session(self) {}

    fn left_len(k: usize) -> usize {
        k.next_multiple_of(2) * ROWS
    }

    fn right_len(k: usize) -> usize {
        k.next_multiple_of(2) * COLUMNS
    }

    fn pack_left(self, rows: Rows<'_>, panel: &mut [u16]) {
        // SAFETY: the processor has AVX-512 with bf16, since an `Avx512Bf16` exists.
        unsafe { pack_bf16::<ROWS>(rows, panel) }
    }

    fn pack_right(self, columns: &[f32], panel: &mut [u16]) {
        // SAFETY: the processor has AVX-512 with bf16, since an `Avx512Bf16` exists.
        unsafe { pack_right(columns, panel) }
    }

    fn pack_right_f16(self, columns: &[f16], scratch: &mut [f32], panel: &mut [u16]) {
        // SAFETY: the processor has AVX-512, since an `Avx512Bf16` exists.
        unsafe { widen_avx512(columns, scratch) }
        self.pack_right(scratch, panel);
    }

    fn multiply(
        self,
        session: &mut (),
        k: usize,
        left: &[u16],
        right: &[u16],
        block: &mut [f32],
        accumulate: bool,
    ) {
        self.multiply_rows(session, ROWS, k, left, right, block, accumulate);
    }

    fn multiply_rows(
        self,
        _: &mut (),
        rows: usize,
        k: usize,
        left: &[u16],
        right: &[u16],
        block: &mut [f32],
        accumulate: bool,
    ) {
        assert!(left.len() >= Self::left_len(k) && right.len() >= Self::right_len(k));
        assert!(block.len() >= ROWS * COLUMNS);
        let multiply = match rows {
            0..=2 => multiply::<2>,
            3..=4 => multiply::<4>,
            5..=8 => multiply::<8>,
            _ => multiply::<ROWS>,
        };
        let (left, right) = (left.as_ptr().cast(), right.as_ptr().cast());
        // SAFETY: the processor has the instructions, since an `Avx512Bf16` exists. The
        // lengths were just checked: the loop reads `ROWS` pairs of `left` and `COLUMNS` of
        // `right` a step for half of `k`, rounded up, and `block` is read and written below
        // `ROWS * COLUMNS`.
        unsafe { multiply(k.div_ceil(2), left, right, block.as_mut_ptr(), accumulate) }
    }

    fn vectorise<R: Routine>(self, routine: R) -> R::Output {
        avx512(routine)
    }
}

/// The first `R` rows of a block, over `steps` pairs of inner steps.
///
/// # Safety
///
/// `left` must have `steps * ROWS` pairs, `right` `steps * COLUMNS` and `block` `ROWS *
/// COLUMNS` values, and `R` must not be above `ROWS`.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn multiply<const R: usize>(
    steps: usize,
    left: *const i32,
    right: *const i32,
    block: *mut f32,
    accumulate: bool,
) {
    // SAFETY (all blocks): the caller guarantees the lengths; a vector of words and one
    // of pairs have the same bits.
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    if accumulate {
        for (row, sums) in sums.iter_mut().enumerate() {
            for (half, sum) in sums.iter_mut().enumerate() {
                *sum = unsafe { _mm512_loadu_ps(block.add(row * COLUMNS + half * LANES)) };
            }
        }
    }
    for step in 0..steps {
        let columns = [0, LANES].map(|half| unsafe {
            pairs(_mm512_loadu_si512(right.add(step * COLUMNS + half).cast()))
        });
        for (row, sums) in sums.iter_mut().enumerate() {
            let value = pairs(_mm512_set1_epi32(unsafe { *left.add(step * ROWS + row) }));
            sums[0] = _mm512_dpbf16_ps(sums[0], value, columns[0]);
            sums[1] = _mm512_dpbf16_ps(sums[1], value, columns[1]);
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (half, &sum) in sums.iter().enumerate() {
            unsafe { _mm512_storeu_ps(block.add(row * COLUMNS + half * LANES), sum) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes, of which any are a value.
    unsafe { std::mem::transmute(words) }
}

/// `[k][COLUMNS]` floats to `[k / 2][COLUMNS][2]`, with zeros after an odd last step.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_right(columns: &[f32], panel: &mut [u16]) {
    // Of the two halves of a vector, the numbers in turn.
    let turns = std::array::from_fn::<u16, 32, _>(|lane| (lane / 2 + lane % 2 * LANES) as u16);
    // SAFETY: 64 bytes are read.
    let turns = unsafe { _mm512_loadu_si512(turns.as_ptr().cast()) };
    let (steps, _) = columns.as_chunks::<COLUMNS>();
    for (pair, out) in steps.chunks(2).zip(panel.as_chunks_mut::<{ 2 * COLUMNS }>().0) {
        let odd = pair.get(1).unwrap_or(&[0.0; COLUMNS]);
        for half in [0, LANES] {
            // SAFETY: both rows have `COLUMNS` values and `out` twice as many; a vector of
            // words and one of pairs have the same bits.
            unsafe {
                let even = _mm512_loadu_ps(pair[0].as_ptr().add(half));
                let odd = _mm512_loadu_ps(odd.as_ptr().add(half));
                let rounded: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(odd, even));
                let pairs = _mm512_permutexvar_epi16(turns, rounded);
                _mm512_storeu_si512(out.as_mut_ptr().add(2 * half).cast(), pairs);
            }
        }
    }
}
