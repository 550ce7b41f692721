//! `f32` products with AVX2: 6 rows of two vectors are 12 sums, which leave four of the
//! 16 registers for the operands.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::f16;

use super::half_floats::widen_avx2;
use super::panel::{Rows, interleave};
use super::tile::Tile;
use super::vector::{Routine, avx2};

/// `f32` products with AVX2. Only made where `Kernel::missing` finds it available.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

const ROWS: usize = 6;
const LANES: usize = 8;
const COLUMNS: usize = 2 * LANES;

impl Tile for Avx2 {
    type Element = f32;
    type Session = ();

    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const STEPS: usize = 320;
    const KEEPS_F16: bool = true;
    const ROUNDS_ROWS: bool = false;

    fn session(self) {}

    fn left_len(k: usize) -> usize {
        k * ROWS
    }

    fn right_len(k: usize) -> usize {
        k * COLUMNS
    }

    fn pack_left(self, rows: Rows<'_>, panel: &mut [f32]) {
        interleave::<ROWS>(rows, panel);
    }

    fn pack_right(self, columns: &[f32], panel: &mut [f32]) {
        panel.copy_from_slice(columns);
    }

    fn pack_right_f16(self, columns: &[f16], _: &mut [f32], panel: &mut [f32]) {
        // SAFETY: the processor has the instructions, since an `Avx2` exists.
        unsafe { widen_avx2(columns, panel) }
    }

    fn multiply(
        self,
        session: &mut (),
        k: usize,
        left: &[f32],
        right: &[f32],
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
        left: &[f32],
        right: &[f32],
        block: &mut [f32],
        accumulate: bool,
    ) {
        assert!(left.len() >= k * ROWS && right.len() >= k * COLUMNS);
        assert!(block.len() >= ROWS * COLUMNS);
        let multiply = match rows {
            0..=2 => multiply::<2>,
            3..=4 => multiply::<4>,
            _ => multiply::<ROWS>,
        };
        // SAFETY: the processor has AVX2 and FMA, since an `Avx2` exists. The lengths were
        // just checked: the loop reads `ROWS` values of `left` and `COLUMNS` of `right` a
        // step for `k` steps, and `block` is read and written below `ROWS * COLUMNS`.
        unsafe { multiply(k, left.as_ptr(), right.as_ptr(), block.as_mut_ptr(), accumulate) }
    }

    fn vectorise<R: Routine>(self, routine: R) -> R::Output {
        avx2(routine)
    }
}

/// The first `R` rows of a block.
///
/// # Safety
///
/// `left` must have `k * ROWS` values, `right` `k * COLUMNS` and `block` `ROWS *
/// COLUMNS`, and `R` must not be above `ROWS`.
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply<const R: usize>(
    k: usize,
    left: *const f32,
    right: *const f32,
    block: *mut f32,
    accumulate: bool,
) {
    // SAFETY (all blocks): the caller guarantees the lengths.
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    if accumulate {
        for (row, sums) in sums.iter_mut().enumerate() {
            for (half, sum) in sums.iter_mut().enumerate() {
                *sum = unsafe { _mm256_loadu_ps(block.add(row * COLUMNS + half * LANES)) };
            }
        }
    }
    for step in 0..k {
        let right = unsafe { right.add(step * COLUMNS) };
        let columns = unsafe { [_mm256_loadu_ps(right), _mm256_loadu_ps(right.add(LANES))] };
        for (row, sums) in sums.iter_mut().enumerate() {
            let value = unsafe { _mm256_broadcast_ss(&*left.add(step * ROWS + row)) };
            sums[0] = _mm256_fmadd_ps(value, columns[0], sums[0]);
            sums[1] = _mm256_fmadd_ps(value, columns[1], sums[1]);
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (half, &sum) in sums.iter().enumerate() {
            unsafe { _mm256_storeu_ps(block.add(row * COLUMNS + half * LANES), sum) };
        }
    }
}
