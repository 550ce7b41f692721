//! The output of a product, which threads fill block by block.

use std::ops::Range;

use candle_core::{Result, bail};
use half::bf16;

use super::product::Dims;
use super::tail::{Finish, Out, OutRow, OutValues, Tail};
use super::tile::Tile;

/// The output, of which every task writes other elements.
pub(super) struct SharedOut<'a> {
    dims: Dims,
    tail: &'a Tail<'a>,
    base: Base,
    exclusive: std::marker::PhantomData<&'a mut [f32]>,
}

#[derive(Clone, Copy)]
enum Base {
    F32(*mut f32),
    Bf16(*mut bf16),
}

// SAFETY: the pointer stands for an exclusive borrow that lives as long as the struct;
// tasks reach through it only in `row`, where each touches elements of its own block.
#[allow(unsafe_code)]
unsafe impl Sync for SharedOut<'_> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Send for SharedOut<'_> {}

impl<'a> SharedOut<'a> {
    pub(super) fn new(dims: Dims, tail: &'a Tail<'a>, out: Out<'a>) -> Result<Self> {
        let expected = dims.rows * dims.columns;
        let (len, base) = match out {
            Out::F32(out) => (out.len(), Base::F32(out.as_mut_ptr())),
            Out::Bf16(out) => (out.len(), Base::Bf16(out.as_mut_ptr())),
        };
        if len != expected {
            bail!("a product of {} x {} into {len} values", dims.rows, dims.columns)
        }
        let biases = if tail.gated { 2 * dims.columns } else { dims.columns };
        if tail.bias.is_some_and(|bias| bias.len() != biases) {
            bail!("a bias that does not have {biases} values")
        }
        if tail.residual.is_some_and(|residual| residual.len() != expected) {
            bail!("a residual that does not have {expected} values")
        }
        Ok(SharedOut { dims, tail, base, exclusive: std::marker::PhantomData })
    }

    /// Columns of the output that a right panel of `tile` gives.
    pub(super) fn panel_columns<T: Tile>(&self) -> usize {
        if self.tail.gated { T::COLUMNS / 2 } else { T::COLUMNS }
    }

    /// Brings the memory near that [`finish`](Self::finish) will read and write.
    pub(super) fn prefetch<T: Tile>(&self, left: usize, right: usize) {
        let columns = self.panel_columns::<T>();
        let rows = left * T::ROWS..self.dims.rows.min((left + 1) * T::ROWS);
        self.prefetch_part(rows, right * columns..(right + 1) * columns);
    }

    /// Brings the memory near that [`finish_part`](Self::finish_part) will read and write.
    pub(super) fn prefetch_part(&self, rows: Range<usize>, columns: Range<usize>) {
        for row in rows {
            for column in columns.clone().step_by(16) {
                let place = row * self.dims.columns + column;
                match self.base {
                    Base::F32(base) => prefetch::<true, _>(base.wrapping_add(place)),
                    Base::Bf16(base) => prefetch::<true, _>(base.wrapping_add(place)),
                }
                if let Some(residual) = self.tail.residual {
                    prefetch::<false, _>(residual.as_ptr().wrapping_add(place));
                }
            }
        }
    }

    /// Writes the block of a left and a right panel, by their indices.
    pub(super) fn finish<T: Tile>(&self, tile: T, left: usize, right: usize, block: &[f32]) {
        let columns = self.panel_columns::<T>();
        let first = right * columns;
        let width = columns.min(self.dims.columns - first);
        let rows = left * T::ROWS..self.dims.rows.min((left + 1) * T::ROWS);
        tile.vectorise(Finish {
            sums: block,
            columns: T::COLUMNS,
            width,
            gated: self.tail.gated,
            bias: self.bias(first, width, columns),
            activation: self.tail.activation,
            rows: rows.map(|row| self.row(row * self.dims.columns + first, width)),
        });
    }

    /// Writes `rows` and `columns` of the output, at most 64 columns, from a block
    /// of rows of `stride`. No two threads may write the same element.
    pub(super) fn finish_part<T: Tile>(
        &self,
        tile: T,
        rows: Range<usize>,
        columns: Range<usize>,
        block: &[f32],
        stride: usize,
    ) {
        assert!(rows.end <= self.dims.rows && columns.end <= self.dims.columns);
        let (first, width) = (columns.start, columns.len());
        tile.vectorise(Finish {
            sums: block,
            columns: stride,
            width,
            gated: false,
            bias: self.bias(first, width, stride),
            activation: self.tail.activation,
            rows: rows.map(|row| self.row(row * self.dims.columns + first, width)),
        });
    }

    /// The biases of a panel whose first column is `first`, zeros where there are none.
    fn bias(&self, first: usize, width: usize, columns: usize) -> [f32; 64] {
        let mut padded = [0f32; 64];
        if let Some(bias) = self.tail.bias {
            padded[..width].copy_from_slice(&bias[first..first + width]);
            if self.tail.gated {
                let first = self.dims.columns + first;
                padded[columns..columns + width].copy_from_slice(&bias[first..first + width]);
            }
        }
        padded
    }

    /// The `len` values from `place`. Blocks of different tasks share no element.
    #[allow(unsafe_code)]
    #[inline(always)]
    fn row(&self, place: usize, len: usize) -> OutRow<'_> {
        debug_assert!(place + len <= self.dims.rows * self.dims.columns);
        let values = match self.base {
            // SAFETY: `new` has checked that `base` points to `rows * columns` values,
            // borrowed exclusively; `finish` clips rows and columns to the output, so the
            // range lies inside; and blocks are disjoint (the indices of the two panels
            // determine the block), so no two threads hold the same element.
            Base::F32(base) => {
                OutValues::F32(unsafe { std::slice::from_raw_parts_mut(base.add(place), len) })
            }
            // SAFETY: as above.
            Base::Bf16(base) => {
                OutValues::Bf16(unsafe { std::slice::from_raw_parts_mut(base.add(place), len) })
            }
        };
        OutRow { residual: self.tail.residual.map(|all| &all[place..place + len]), values }
    }
}

/// Asks for the cache line at `place`, to be read or written soon.
#[allow(unsafe_code)]
#[inline(always)]
pub(super) fn prefetch<const WRITE: bool, T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and it does not fault wherever
    // `place` points.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
        if WRITE {
            _mm_prefetch::<_MM_HINT_ET0>(place.cast());
        } else {
            _mm_prefetch::<_MM_HINT_T0>(place.cast());
        }
    }
    let _ = place;
}
