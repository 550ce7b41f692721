//! bf16 products with tile registers: packing, and the two precisions.
//!
//! A block is 32 x 32, two tiles by two. A panel is a sequence of groups over 32 inner
//! steps; a group holds two tiles of 1 KiB (rows or columns 0..16 and 16..32), or four
//! where operands are split: the two tiles of the high parts, then those of the low.
//! A left tile is 16 rows of 32 steps, a right one `[16 pairs of steps][16 columns][2]`.

use half::f16;

use super::bf16::{round, split};
use super::panel::{Rows, Values};
use super::tile::Tile;
use super::vector::Routine;

/// Rows, or columns, of a tile.
const SIDE: usize = 16;
/// Inner steps of a tile.
const DEPTH: usize = 32;
/// Rows and columns of a block.
const BLOCK: usize = 2 * SIDE;
/// Values of a block.
pub(super) const BLOCK_LEN: usize = BLOCK * BLOCK;
/// Numbers of a tile.
const TILE: usize = SIDE * DEPTH;

/// What multiplies tiles: the processor, or a model of it.
pub(super) trait TileUnit: Copy + Send + Sync + 'static {
    /// What a thread holds while it multiplies.
    type Session;

    /// Prepares the current thread.
    fn session(self) -> Self::Session;

    /// The product of `groups` groups of two left and two right tiles: `block =` it, or
    /// `block +=` it with `accumulate`.
    fn multiply_fast(
        self,
        session: &mut Self::Session,
        groups: usize,
        left: &[u16],
        right: &[u16],
        block: &mut [f32; BLOCK_LEN],
        accumulate: bool,
    );

    /// As [`multiply_fast`](Self::multiply_fast) with split operands, four tiles a side:
    /// `low * high + high * high + high * low`.
    fn multiply_accurate(
        self,
        session: &mut Self::Session,
        groups: usize,
        left: &[u16],
        right: &[u16],
        block: &mut [f32; BLOCK_LEN],
        accumulate: bool,
    );

    /// Converts `from` to `to`, of the same length, a multiple of 16.
    fn widen(self, from: &[f16], to: &mut [f32]);

    /// Runs a loop compiled for this unit's processor.
    fn vectorise<R: Routine>(self, routine: R) -> R::Output;
}

/// Operands rounded to bf16, or with `SPLIT` as sums of two bf16.
#[derive(Clone, Copy)]
pub(super) struct Amx<U, const SPLIT: bool>(pub U);

impl<U: TileUnit, const SPLIT: bool> Amx<U, SPLIT> {
    /// Parts that a number is stored as.
    const PARTS: usize = if SPLIT { 2 } else { 1 };
    /// Numbers of a group of tiles.
    const GROUP: usize = 2 * TILE * Self::PARTS;
}

impl<U: TileUnit, const SPLIT: bool> Tile for Amx<U, SPLIT> {
    /// The bits of a bf16.
    type Element = u16;
    type Session = U::Session;

    const ROWS: usize = BLOCK;
    const COLUMNS: usize = BLOCK;
    const STEPS: usize = 256 / Self::PARTS;
    /// Tiles want more bytes a cycle than a third-level cache gives; these stay in the
    /// second level.
    const SHARED_BYTES: usize = 5 << 18;
    /// A half float is exactly a sum of two bf16.
    const KEEPS_F16: bool = SPLIT;
    const ROUNDS_ROWS: bool = !SPLIT;

    fn session(self) -> U::Session {
        self.0.session()
    }

    fn left_len(k: usize) -> usize {
        k.div_ceil(DEPTH) * Self::GROUP
    }

    fn right_len(k: usize) -> usize {
        k.div_ceil(DEPTH) * Self::GROUP
    }

    fn pack_left(self, rows: Rows<'_>, panel: &mut [u16]) {
        self.0.vectorise(PackLeft::<SPLIT> { rows, panel });
    }

    fn pack_right(self, columns: &[f32], panel: &mut [u16]) {
        self.0.vectorise(PackRight::<SPLIT> { columns, panel });
    }

    fn pack_right_f16(self, columns: &[f16], scratch: &mut [f32], panel: &mut [u16]) {
        self.0.widen(columns, scratch);
        self.pack_right(scratch, panel);
    }

    fn multiply(
        self,
        session: &mut U::Session,
        k: usize,
        left: &[u16],
        right: &[u16],
        block: &mut [f32],
        accumulate: bool,
    ) {
        let groups = k.div_ceil(DEPTH);
        let Some(block) = block.first_chunk_mut() else { panic!("a block that is too short") };
        let (left, right) = (&left[..Self::left_len(k)], &right[..Self::right_len(k)]);
        if SPLIT {
            self.0.multiply_accurate(session, groups, left, right, block, accumulate);
        } else {
            self.0.multiply_fast(session, groups, left, right, block, accumulate);
        }
    }

    fn vectorise<R: Routine>(self, routine: R) -> R::Output {
        self.0.vectorise(routine)
    }
}

struct PackLeft<'a, const SPLIT: bool> {
    rows: Rows<'a>,
    panel: &'a mut [u16],
}

impl<const SPLIT: bool> Routine for PackLeft<'_, SPLIT> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let group = if SPLIT { 4 * TILE } else { 2 * TILE };
        for (index, group) in self.panel.chunks_exact_mut(group).enumerate() {
            let (high, low) = group.split_at_mut(2 * TILE);
            for row in 0..BLOCK {
                let values = load(self.rows, row, index * DEPTH);
                let place = row * DEPTH..(row + 1) * DEPTH;
                if SPLIT {
                    let places = high[place.clone()].iter_mut().zip(&mut low[place]);
                    places.zip(&values).for_each(|((high, low), x)| (*high, *low) = split(*x));
                } else {
                    high[place].iter_mut().zip(&values).for_each(|(high, x)| *high = round(*x));
                }
            }
        }
    }
}

/// The values of row `row` from step `start` on, zeros past its end and the last row's.
#[inline(always)]
fn load(rows: Rows<'_>, row: usize, start: usize) -> [f32; DEPTH] {
    let mut values = [0f32; DEPTH];
    if row < rows.count() {
        let steps = start..rows.k().min(start + DEPTH);
        match rows.row(row) {
            Values::F32(row) => {
                let row = &row[steps];
                // Most groups are whole, and an array needs no call to be copied.
                match row.first_chunk::<DEPTH>() {
                    Some(row) => values = *row,
                    None => values[..row.len()].copy_from_slice(row),
                }
            }
            Values::Bf16(row) => {
                values.iter_mut().zip(&row[steps]).for_each(|(value, x)| *value = x.to_f32());
            }
        }
    }
    values
}

/// `[k][32]` floats to right tiles.
struct PackRight<'a, const SPLIT: bool> {
    columns: &'a [f32],
    panel: &'a mut [u16],
}

impl<const SPLIT: bool> Routine for PackRight<'_, SPLIT> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        const NOTHING: [f32; 2 * BLOCK] = [0.0; 2 * BLOCK];
        let group = if SPLIT { 4 * TILE } else { 2 * TILE };
        let groups = self.panel.chunks_exact_mut(group).zip(self.columns.chunks(DEPTH * BLOCK));
        for (group, columns) in groups {
            let (high, low) = group.split_at_mut(2 * TILE);
            for pair in 0..DEPTH / 2 {
                let mut steps = NOTHING;
                let start = columns.len().min(pair * 2 * BLOCK);
                let row = &columns[start..columns.len().min(start + 2 * BLOCK)];
                match row.first_chunk::<{ 2 * BLOCK }>() {
                    Some(row) => steps = *row,
                    None => steps[..row.len()].copy_from_slice(row),
                }
                for (index, half) in [0, SIDE].into_iter().enumerate() {
                    let place = index * TILE + pair * BLOCK;
                    let place = place..place + BLOCK;
                    let even: &[f32] = &steps[half..half + SIDE];
                    let odd: &[f32] = &steps[BLOCK + half..BLOCK + half + SIDE];
                    pair_up(even, odd, &mut high[place.clone()], round);
                    if SPLIT {
                        pair_up(even, odd, &mut low[place], |x| split(x).1);
                    }
                }
            }
        }
    }
}

/// Two rows, one number of each in turn.
#[inline(always)]
fn pair_up(even: &[f32], odd: &[f32], out: &mut [u16], part: impl Fn(f32) -> u16) {
    for (out, (even, odd)) in out.chunks_exact_mut(2).zip(even.iter().zip(odd)) {
        out.copy_from_slice(&[part(*even), part(*odd)]);
    }
}

#[cfg(test)]
pub(super) mod model {
    //! The unit as Intel's manual describes it, in plain Rust.

    use half::slice::HalfFloatSliceExt;

    use super::*;
    use crate::kernel::bf16::widen;

    /// Denormals count as zero in products of tiles.
    fn flush(x: f32) -> f32 {
        if x.is_subnormal() { 0.0 } else { x }
    }

    /// `c += a @ b` as `tdpbf16ps` computes it; `c` has rows of 32.
    fn multiply_tiles(a: &[u16], b: &[u16], c: &mut [f32]) {
        for row in 0..SIDE {
            for column in 0..SIDE {
                let mut sums = [0f32; 2];
                for pair in 0..DEPTH / 2 {
                    for (odd, sum) in sums.iter_mut().enumerate() {
                        let a = flush(widen(a[row * DEPTH + 2 * pair + odd]));
                        let b = flush(widen(b[pair * BLOCK + 2 * column + odd]));
                        *sum = flush(a.mul_add(b, *sum));
                    }
                }
                let sum = &mut c[row * BLOCK + column];
                *sum = flush(*sum + flush(sums[0] + sums[1]));
            }
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Model;

    /// The tile `row, column` of a block is the sum over tiles at these offsets.
    fn multiply(
        groups: usize,
        (left, right): (&[u16], &[u16]),
        block: &mut [f32],
        accumulate: bool,
        terms: &[(usize, usize)],
    ) {
        if !accumulate {
            block.fill(0.0);
        }
        let group = left.len().max(right.len()) / groups.max(1);
        for start in (0..groups).map(|index| index * group) {
            for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                for (a, b) in terms {
                    let (a, b) = (start + (a + row) * TILE, start + (b + column) * TILE);
                    let c = &mut block[row * SIDE * BLOCK + column * SIDE..];
                    multiply_tiles(&left[a..a + TILE], &right[b..b + TILE], c);
                }
            }
        }
    }

    impl TileUnit for Model {
        type Session = ();

        fn session(self) {}

        fn multiply_fast(
            self,
            _: &mut (),
            groups: usize,
            left: &[u16],
            right: &[u16],
            block: &mut [f32; BLOCK_LEN],
            accumulate: bool,
        ) {
            multiply(groups, (left, right), block, accumulate, &[(0, 0)]);
        }

        fn multiply_accurate(
            self,
            _: &mut (),
            groups: usize,
            left: &[u16],
            right: &[u16],
            block: &mut [f32; BLOCK_LEN],
            accumulate: bool,
        ) {
            multiply(groups, (left, right), block, accumulate, &[(2, 0), (0, 0), (0, 2)]);
        }

        fn widen(self, from: &[f16], to: &mut [f32]) {
            from.convert_to_f32_slice(to);
        }

        fn vectorise<R: Routine>(self, routine: R) -> R::Output {
            routine.run::<false>()
        }
    }
}
