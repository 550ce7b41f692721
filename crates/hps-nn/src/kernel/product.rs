//! Products of packed operands, cut into blocks and shared between threads.

use std::ops::Range;

use candle_core::Result;
use rayon::prelude::*;

use super::buffer::{Buffer, Plain};
use super::out::SharedOut;
use super::panel::Rows;
use super::tail::{Out, Tail};
use super::tile::Tile;

/// Memory of one thread in which a panel is made just before it is used.
pub(crate) struct Scratch<E> {
    pub floats: Buffer<f32>,
    pub panel: Buffer<E>,
}

impl<E: Plain> Scratch<E> {
    /// Memory for nothing yet.
    pub(crate) fn new() -> Self {
        Scratch { floats: Buffer::zeroed(0), panel: Buffer::zeroed(0) }
    }
}

/// One side of a product, as panels by index.
pub(crate) trait Panels<E>: Sync {
    /// Panel `index`, kept or made in `scratch`.
    fn panel<'a>(&'a self, index: usize, scratch: &'a mut Scratch<E>) -> &'a [E];

    /// Whether all panels are kept, so that asking for one again costs nothing.
    fn is_kept(&self) -> bool {
        false
    }

    /// Panel `index` over the inner steps `steps` alone, which start at a multiple of
    /// [`Tile::STEPS`]; `None` where panels are only made whole.
    fn part<'a, T: Tile<Element = E>>(
        &'a self,
        index: usize,
        steps: Range<usize>,
        scratch: &'a mut Scratch<E>,
    ) -> Option<&'a [E]> {
        let _ = (index, steps, scratch);
        None
    }
}

/// The left side, packed as a whole.
pub(crate) struct PackedRows<E> {
    panels: Buffer<E>,
    len: usize,
}

impl<E: Plain> PackedRows<E> {
    /// Packs all rows for `tile`.
    pub(crate) fn new<T: Tile<Element = E>>(tile: T, rows: Rows<'_>) -> Self {
        let len = T::left_len(rows.k());
        let mut panels = Buffer::scratch(len * rows.count().div_ceil(T::ROWS));
        panels.par_chunks_mut(len.max(1)).enumerate().for_each(|(index, panel)| {
            tile.pack_left(rows.slice(index * T::ROWS, T::ROWS), panel);
        });
        PackedRows { panels, len }
    }
}

impl<E: Plain> Panels<E> for PackedRows<E> {
    fn panel<'a>(&'a self, index: usize, _: &'a mut Scratch<E>) -> &'a [E] {
        &self.panels[index * self.len..(index + 1) * self.len]
    }

    fn is_kept(&self) -> bool {
        true
    }
}

/// The dimensions of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    /// Rows of the left side and of the output.
    pub rows: usize,
    /// Columns of the output, and of the right side unless the tail is gated.
    pub columns: usize,
    /// The dimension that is summed over.
    pub inner: usize,
}

/// `out = tail(left @ right)`, with `out` in row-major order.
///
/// # Errors
///
/// When a length does not fit `dims`.
pub(crate) fn product<T: Tile>(
    tile: T,
    dims: Dims,
    left: &impl Panels<T::Element>,
    right: &impl Panels<T::Element>,
    tail: &Tail<'_>,
    out: Out<'_>,
) -> Result<()> {
    let out = SharedOut::new(dims, tail, out)?;
    let run = Run { tile, dims, left, right, out };
    let left_panels = dims.rows.div_ceil(T::ROWS);
    let right_panels = dims.columns.div_ceil(run.out.panel_columns::<T>());
    let per_task = panels_per_task::<T>(dims.inner, left_panels, right_panels);
    let groups = left_panels.div_ceil(per_task);
    // Tasks that follow each other share their rows, which stay in cache.
    (0..groups * right_panels).into_par_iter().for_each_init(
        || Worker::new(tile),
        |worker, task| {
            let (group, column) = (task / right_panels, task % right_panels);
            let rows = group * per_task..left_panels.min((group + 1) * per_task);
            run.task(worker, rows, column);
        },
    );
    Ok(())
}

/// The fewest left panels a task has even if they do not fit in cache: what making a right
/// panel costs must be spread.
const FEWEST_PANELS: usize = 8;

/// How many left panels a task multiplies with its right panel.
fn panels_per_task<T: Tile>(inner: usize, left_panels: usize, right_panels: usize) -> usize {
    let panel = T::left_len(inner) * size_of::<T::Element>();
    let cached = (T::SHARED_BYTES / panel.max(1)).max(FEWEST_PANELS);
    // Few columns are not enough for all threads, so then rows are shared too.
    let groups = (4 * rayon::current_num_threads()).div_ceil(right_panels.max(1));
    let even = left_panels.div_ceil(left_panels.div_ceil(cached).max(1));
    even.min(left_panels.div_ceil(groups)).max(1)
}

/// What a thread needs for its tasks.
struct Worker<T: Tile> {
    session: T::Session,
    left: Scratch<T::Element>,
    right: Scratch<T::Element>,
    right_part: Scratch<T::Element>,
    sums: Buffer<f32>,
}

impl<T: Tile> Worker<T> {
    fn new(tile: T) -> Self {
        Worker {
            session: tile.session(),
            left: Scratch::new(),
            right: Scratch::new(),
            right_part: Scratch::new(),
            sums: Buffer::zeroed(0),
        }
    }
}

struct Run<'a, T: Tile, L, R> {
    tile: T,
    dims: Dims,
    left: &'a L,
    right: &'a R,
    out: SharedOut<'a>,
}

impl<T: Tile, L: Panels<T::Element>, R: Panels<T::Element>> Run<'_, T, L, R> {
    /// The product of a range of left panels and one right panel.
    fn task(&self, worker: &mut Worker<T>, rows: Range<usize>, column: usize) {
        let Worker { session, left, right, right_part, sums } = worker;
        // Part by part of the inner dimension, so that the part of the right panel stays
        // in the first-level cache; but a left panel that is made is made only once.
        let inner = self.dims.inner;
        let part = if self.left.is_kept() { T::STEPS } else { inner };
        let block_len = T::ROWS * T::COLUMNS;
        sums.reserve(rows.len() * block_len);
        let (mut start, mut whole) = (0, None);
        let mut whole_scratch = Some(right);
        loop {
            let steps = part.min(inner - start);
            let right = match self.right.part::<T>(column, start..start + steps, right_part) {
                Some(part) => part,
                None => {
                    let make = whole_scratch.take().map(|s| self.right.panel(column, s));
                    whole = whole.or(make);
                    &whole.unwrap_or_default()[T::right_len(start)..]
                }
            };
            for (panel, block) in rows.clone().zip(sums.chunks_exact_mut(block_len)) {
                let left = &self.left.panel(panel, left)[T::left_len(start)..];
                let count = T::ROWS.min(self.dims.rows - panel * T::ROWS);
                let (accumulate, last) = (start > 0, start + steps == inner);
                if last {
                    self.out.prefetch::<T>(panel, column);
                }
                self.tile.multiply_rows(session, count, steps, left, right, block, accumulate);
                if last {
                    self.out.finish(self.tile, panel, column, block);
                }
            }
            start += steps;
            if start == inner {
                return;
            }
        }
    }
}
