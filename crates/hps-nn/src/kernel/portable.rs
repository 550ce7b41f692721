//! The kernel that every processor can run: plain Rust that the compiler vectorises.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::panel::{Rows, interleave};
use super::tile::Tile;
use super::vector::Routine;

/// `f32` products in plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Portable;

const ROWS: usize = 4;
const COLUMNS: usize = 16;

impl Tile for Portable {
    type Element = f32;
    type Session = ();

    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const STEPS: usize = 256;
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
        columns.convert_to_f32_slice(panel);
    }

    fn multiply(
        self,
        _: &mut (),
        k: usize,
        left: &[f32],
        right: &[f32],
        block: &mut [f32],
        accumulate: bool,
    ) {
        let mut sums = [[0f32; COLUMNS]; ROWS];
        if accumulate {
            sums.as_flattened_mut().copy_from_slice(&block[..ROWS * COLUMNS]);
        }
        let steps = left.chunks_exact(ROWS).zip(right.chunks_exact(COLUMNS)).take(k);
        for (left, right) in steps {
            for (sums, &a) in sums.iter_mut().zip(left) {
                sums.iter_mut().zip(right).for_each(|(sum, &b)| *sum += a * b);
            }
        }
        block[..ROWS * COLUMNS].copy_from_slice(sums.as_flattened());
    }

    fn vectorise<R: Routine>(self, routine: R) -> R::Output {
        routine.run::<false>()
    }
}
