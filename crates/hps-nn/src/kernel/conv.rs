//! Convolutions as products of filters and pixels: `out[channel, pixel] = sum over
//! (input channel, row, column) of filter * input`.
//!
//! A task makes panels of output pixels part by part of the inner dimension, straight
//! from the picture, and multiplies each part with a range of filters while it is in
//! cache. Items of a batch share filters but no panel.

use std::ops::Range;

use candle_core::{Result, bail};
use rayon::prelude::*;

use super::buffer::Buffer;
use super::conv_pixels::{FillPanel, PanelTaps};
use super::filters::{Filters, Pictures};
use super::out::SharedOut;
use super::product::{Dims, Scratch};
use super::tail::{Out, Tail};
use super::tile::Tile;

/// Panels of pixels that are multiplied with a panel of filters in a row: a part of the
/// second-level cache.
const GROUP: usize = 16;
/// Inner steps of panels of pixels that are made at a time, so that what neighbouring
/// panels read is in cache. Whole numbers of these may be packed on their own.
const PIECE: usize = 32;
/// Panels of filters that make the cost of a panel of pixels small.
const FEWEST_FILTERS: usize = 12;

/// `out = tail(conv(pictures))`; see [`PackedFilters::forward`](super::PackedFilters).
pub(super) fn convolve<T: Tile>(
    tile: T,
    filters: &Filters<T>,
    pictures: Pictures<'_>,
    bias: Option<&[f32]>,
    tail: &Tail<'_>,
    out: &mut [f32],
) -> Result<()> {
    let Pictures { values, batch, geometry } = pictures;
    if geometry.inner() != filters.inner() || values.len() != batch * geometry.picture_len() {
        bail!("a convolution of {batch} pictures of {geometry:?}, {} values", values.len())
    }
    if bias.is_some_and(|bias| bias.len() != filters.outputs()) {
        bail!("a bias that does not have {} values", filters.outputs())
    }
    if out.is_empty() {
        return Ok(());
    }
    let dims = Dims {
        rows: batch * filters.outputs(),
        columns: geometry.pixels(),
        inner: filters.inner(),
    };
    let out = SharedOut::new(dims, tail, Out::F32(out))?;
    let pictures = Pictures { geometry: geometry.simplified(), ..pictures };
    let run = Run { tile, filters, pictures, bias, out };
    let plan = Plan::new::<T>(batch * run.panels_per_item(), filters.outputs());
    (0..plan.groups * plan.chunks).into_par_iter().try_for_each_init(
        || Worker::new(tile),
        |worker, task| run.task(worker, plan.pixels(task), plan.filters(task)),
    )
}

/// How work is cut into tasks. Results do not depend on it.
struct Plan {
    panels: usize,
    groups: usize,
    filters: usize,
    chunks: usize,
}

impl Plan {
    fn new<T: Tile>(panels: usize, outputs: usize) -> Self {
        let filters = outputs.div_ceil(T::ROWS);
        let groups = panels.div_ceil(GROUP);
        let wanted = (4 * rayon::current_num_threads()).div_ceil(groups.max(1));
        let chunks = wanted.min(filters / FEWEST_FILTERS).max(1);
        Plan { panels, groups, filters, chunks }
    }

    /// The panels of pixels of a task.
    fn pixels(&self, task: usize) -> Range<usize> {
        share(self.panels, self.groups, task % self.groups)
    }

    /// The panels of filters of a task.
    fn filters(&self, task: usize) -> Range<usize> {
        share(self.filters, self.chunks, task / self.groups)
    }
}

/// Part `index` of `total` things that are split evenly into `parts`.
fn share(total: usize, parts: usize, index: usize) -> Range<usize> {
    total * index / parts..total * (index + 1) / parts
}

/// What a thread needs for its tasks.
struct Worker<T: Tile> {
    session: T::Session,
    filters: Scratch<T::Element>,
    pixels: Scratch<T::Element>,
    taps: Vec<PanelTaps>,
    sums: Buffer<f32>,
}

impl<T: Tile> Worker<T> {
    fn new(tile: T) -> Self {
        let (filters, pixels) = (Scratch::new(), Scratch::new());
        let (taps, sums) = (Vec::new(), Buffer::zeroed(0));
        Worker { session: tile.session(), filters, pixels, taps, sums }
    }
}

struct Run<'a, T: Tile> {
    tile: T,
    filters: &'a Filters<T>,
    pictures: Pictures<'a>,
    bias: Option<&'a [f32]>,
    out: SharedOut<'a>,
}

impl<T: Tile> Run<'_, T> {
    fn panels_per_item(&self) -> usize {
        self.pictures.geometry.pixels().div_ceil(T::COLUMNS)
    }

    /// The convolution of some panels of pixels with some panels of filters.
    fn task(
        &self,
        worker: &mut Worker<T>,
        pixels: Range<usize>,
        filters: Range<usize>,
    ) -> Result<()> {
        let geometry = &self.pictures.geometry;
        let first = |panel: usize| panel % self.panels_per_item() * T::COLUMNS;
        let taps = pixels.clone().map(|panel| PanelTaps::new(geometry, first(panel), T::COLUMNS));
        worker.taps.clear();
        worker.taps.extend(taps);
        let inner = self.filters.inner();
        for start in (0..inner).step_by(T::STEPS) {
            let steps = start..inner.min(start + T::STEPS);
            self.make_panels(worker, pixels.clone(), steps.clone());
            self.multiply(worker, pixels.clone(), filters.clone(), steps)?;
        }
        Ok(())
    }

    /// Adds the products over some steps, and finishes after the last.
    fn multiply(
        &self,
        worker: &mut Worker<T>,
        pixels: Range<usize>,
        filters: Range<usize>,
        steps: Range<usize>,
    ) -> Result<()> {
        let block_len = T::ROWS * T::COLUMNS;
        let (begins, ends) = (steps.start == 0, steps.end == self.filters.inner());
        // With one part, a block is finished as soon as it is begun.
        let kept = if begins && ends { 1 } else { pixels.len() * filters.len() };
        worker.sums.reserve(kept * block_len);
        let mut count = 0;
        for filter in filters {
            let scratch = &mut worker.filters;
            let left = self.filters.panel(filter, steps.start, steps.len(), scratch)?;
            let rights = worker.pixels.panel.chunks_exact(T::right_len(steps.len()));
            for (panel, right) in pixels.clone().zip(rights) {
                let block = &mut worker.sums[count % kept * block_len..][..block_len];
                count += 1;
                if begins {
                    self.begin(filter, block);
                }
                let (rows, columns) = self.place(panel, filter);
                if ends {
                    self.out.prefetch_part(rows.clone(), columns.clone());
                }
                let (session, k) = (&mut worker.session, steps.len());
                self.tile.multiply_rows(session, rows.len(), k, left, right, block, true);
                if ends {
                    self.out.finish_part(self.tile, rows, columns, block, T::COLUMNS);
                }
            }
        }
        Ok(())
    }

    /// Every sum starts with the bias.
    fn begin(&self, filter: usize, block: &mut [f32]) {
        let bias = self.bias.and_then(|bias| bias.get(filter * T::ROWS..)).unwrap_or_default();
        for (index, row) in block.chunks_exact_mut(T::COLUMNS).enumerate() {
            row.fill(bias.get(index).copied().unwrap_or(0.0));
        }
    }

    /// Makes panels of pixels over some steps of the inner dimension, one after another.
    fn make_panels(&self, worker: &mut Worker<T>, pixels: Range<usize>, steps: Range<usize>) {
        let Worker { pixels: scratch, taps, .. } = worker;
        let geometry = &self.pictures.geometry;
        let len = T::right_len(steps.len());
        scratch.floats.reserve(PIECE * T::COLUMNS);
        scratch.panel.reserve(pixels.len() * len);
        for start in steps.clone().step_by(PIECE) {
            let piece = start..steps.end.min(start + PIECE);
            let floats = &mut scratch.floats[..piece.len() * T::COLUMNS];
            let place = T::right_len(start - steps.start);
            let place = place..place + T::right_len(piece.len());
            let panels = scratch.panel.chunks_exact_mut(len).zip(&*taps);
            for (index, (panel, taps)) in pixels.clone().zip(panels) {
                let start = index / self.panels_per_item() * geometry.picture_len();
                self.tile.vectorise(FillPanel {
                    geometry,
                    picture: &self.pictures.values[start..start + geometry.picture_len()],
                    taps,
                    steps: piece.clone(),
                    columns: T::COLUMNS,
                    out: floats,
                });
                self.tile.pack_right(floats, &mut panel[place.clone()]);
            }
        }
    }

    /// Rows and columns of the output that belong to a panel of pixels and one of filters.
    fn place(&self, pixels: usize, filter: usize) -> (Range<usize>, Range<usize>) {
        let outputs = self.filters.outputs();
        let (item, panel) = (pixels / self.panels_per_item(), pixels % self.panels_per_item());
        let first = item * outputs;
        let rows = first + filter * T::ROWS..first + outputs.min((filter + 1) * T::ROWS);
        let first = panel * T::COLUMNS;
        (rows, first..self.pictures.geometry.pixels().min(first + T::COLUMNS))
    }
}
