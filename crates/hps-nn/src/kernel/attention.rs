//! Attention block by block: `softmax(q k^T / sqrt(d)) v` without ever holding more of
//! the weights than a block.
//!
//! Everything is turned by a quarter: weights are computed as `[keys][queries]` and the
//! output as `[channels][queries]`, both products with queries as columns. So the maxima
//! and sums over keys go lane by lane, the output of the first product is in the order
//! that packing wants for the second, and head sizes that are no multiple of a vector
//! cost little.
//!
//! Keys are taken in blocks of a fixed size. Each query keeps the maximum and the sum of
//! its weights so far, and its output is scaled when the maximum grows ("online softmax";
//! Milakov and Gimelshein, 2018, arXiv:1805.02867; Dao et al., 2022, arXiv:2205.14135).
//! A query's bits depend on nothing but its own row, the keys and the values.

use std::ops::Range;

use candle_core::{Result, bail};
use hps_core::Precision;
use rayon::prelude::*;

use super::attention_panels::{PackedKeys, Sequences, make_queries};
use super::buffer::Buffer;
use super::choice::Kernel;
use super::dispatch::{Visitor, with_tile};
use super::out::SharedOut;
use super::product::Dims;
use super::softmax::{Divide, Rescale, Soften, Softmax, WIDEST};
use super::tail::{Out, Tail};
use super::tile::Tile;

/// Panels of queries that go through the keys together: what they share stays in cache.
const GROUP: usize = 4;

/// The operands of attention.
#[derive(Clone, Copy)]
pub(crate) struct Attention<'a> {
    pub queries: Sequences<'a>,
    pub keys: Sequences<'a>,
    pub values: Sequences<'a>,
    pub batch: usize,
    pub heads: usize,
    /// Channels of a head.
    pub size: usize,
    /// Whether query `i` sees keys `0..=i` only.
    pub causal: bool,
}

/// `out: [batch, queries, heads * size]` by `kernel`, which must be available.
///
/// # Errors
///
/// When a length does not fit, or there are no keys.
pub(crate) fn attend(
    kernel: Kernel,
    precision: Precision,
    attention: &Attention<'_>,
    out: &mut [f32],
) -> Result<()> {
    let Attention { queries, keys, values, batch, heads, size, .. } = *attention;
    if keys.len == 0 || keys.len != values.len {
        bail!("attention over {} keys and {} values", keys.len, values.len)
    }
    for sequences in [queries, keys, values] {
        sequences.check(batch, heads * size)?;
    }
    if out.is_empty() && batch * queries.len * heads * size == 0 {
        return Ok(());
    }
    with_tile(kernel, precision, Attend { attention, out })
}

struct Attend<'a> {
    attention: &'a Attention<'a>,
    out: &'a mut [f32],
}

impl Visitor for Attend<'_> {
    type Output = Result<()>;

    fn visit<T: Tile>(self, tile: T) -> Result<()> {
        attend_by(tile, self.attention, self.out)
    }
}

/// `out: [batch, queries, heads * size]` by a tile; operands are not empty.
pub(super) fn attend_by<T: Tile>(
    tile: T,
    attention: &Attention<'_>,
    out: &mut [f32],
) -> Result<()> {
    let Attention { queries, batch, heads, size, .. } = *attention;
    let dims = Dims { rows: batch * queries.len, columns: heads * size, inner: size };
    let tail = Tail::default();
    let out = SharedOut::new(dims, &tail, Out::F32(out))?;
    let keys = PackedKeys::new(tile, attention)?;
    let run = Run { tile, attention, keys, out };
    let panels = queries.len.div_ceil(T::COLUMNS);
    // Enough tasks for all threads, else as large ones as possible.
    let wanted = (4 * rayon::current_num_threads()).div_ceil(batch * heads);
    let groups = panels.div_ceil(GROUP).max(wanted.min(panels));
    (0..batch * heads * groups).into_par_iter().try_for_each_init(
        || Worker::new(tile),
        |worker, task| {
            let (head, group) = (task / groups, task % groups);
            let panels = panels * group / groups..panels * (group + 1) / groups;
            run.task(worker, head, panels)
        },
    )
}

/// What a thread needs for its tasks.
struct Worker<T: Tile> {
    session: T::Session,
    floats: Buffer<f32>,
    queries: Buffer<T::Element>,
    scores: Buffer<f32>,
    weights: Buffer<T::Element>,
    sums: Buffer<f32>,
    softmax: Vec<Softmax>,
}

impl<T: Tile> Worker<T> {
    fn new(tile: T) -> Self {
        Worker {
            session: tile.session(),
            floats: Buffer::zeroed(0),
            queries: Buffer::zeroed(0),
            scores: Buffer::zeroed(0),
            weights: Buffer::zeroed(0),
            sums: Buffer::zeroed(0),
            softmax: Vec::new(),
        }
    }
}

struct Run<'a, T: Tile> {
    tile: T,
    attention: &'a Attention<'a>,
    keys: PackedKeys<T>,
    out: SharedOut<'a>,
}

impl<T: Tile> Run<'_, T> {
    /// Values of the output of a panel of queries, turned.
    fn sums_len(&self) -> usize {
        self.attention.size.next_multiple_of(T::ROWS) * T::COLUMNS
    }

    /// Some panels of queries of a head of an item; `head` counts through all items.
    fn task(&self, worker: &mut Worker<T>, head: usize, panels: Range<usize>) -> Result<()> {
        let size = self.attention.size;
        worker.floats.reserve((size * T::COLUMNS).max(T::COLUMNS * WIDEST));
        worker.queries.reserve(panels.len() * T::right_len(size));
        worker.scores.reserve(PackedKeys::<T>::BLOCK * T::COLUMNS);
        worker.weights.reserve(T::right_len(PackedKeys::<T>::BLOCK));
        worker.sums.reserve(panels.len() * self.sums_len());
        worker.softmax.clear();
        worker.softmax.resize_with(panels.len(), Softmax::new);
        let packed = worker.queries.chunks_exact_mut(T::right_len(size));
        for (packed, panel) in packed.zip(panels.clone()) {
            let floats = &mut worker.floats[..size * T::COLUMNS];
            make_queries(self.tile, self.attention, head, panel * T::COLUMNS, floats)?;
            self.tile.pack_right(floats, packed);
        }
        for block in 0..self.keys.blocks() {
            for (index, panel) in panels.clone().enumerate() {
                let first_query = panel * T::COLUMNS;
                let past = block * PackedKeys::<T>::BLOCK >= first_query + T::COLUMNS;
                if !(self.attention.causal && past) {
                    self.block(worker, head, block, index, first_query);
                }
            }
        }
        for (index, panel) in panels.enumerate() {
            self.finish(worker, head, index, panel * T::COLUMNS);
        }
        Ok(())
    }

    /// Lets a panel of queries see a block of keys and values.
    fn block(
        &self,
        worker: &mut Worker<T>,
        head: usize,
        block: usize,
        index: usize,
        first_query: usize,
    ) {
        let (tile, size, block_len) = (self.tile, self.attention.size, T::ROWS * T::COLUMNS);
        let Worker { session, queries, scores, weights, sums, softmax, .. } = worker;
        let keys = self.keys.range(block);
        let queries = &queries[index * T::right_len(size)..(index + 1) * T::right_len(size)];
        let panels = self.keys.keys(head, block).chunks_exact(T::left_len(size));
        let blocks = scores.chunks_exact_mut(block_len).zip(panels);
        for (place, (scores, panel)) in (0..keys.len()).step_by(T::ROWS).zip(blocks) {
            let rows = T::ROWS.min(keys.len() - place);
            tile.multiply_rows(session, rows, size, panel, queries, scores, false);
        }
        let scores = &mut scores[..keys.len() * T::COLUMNS];
        let softmax = &mut softmax[index];
        let ahead = self.attention.causal.then(|| first_query as isize - keys.start as isize);
        tile.vectorise(Soften { scores, columns: T::COLUMNS, ahead, softmax });
        let weights = &mut weights[..T::right_len(keys.len())];
        tile.pack_right(scores, weights);
        let sums = &mut sums[index * self.sums_len()..(index + 1) * self.sums_len()];
        let begun = block > 0;
        if begun && softmax.has_grown() {
            tile.vectorise(Rescale { sums, columns: T::COLUMNS, softmax });
        }
        let panels = self.keys.values(head, block).chunks_exact(T::left_len(keys.len()));
        for (panel, (sums, values)) in sums.chunks_exact_mut(block_len).zip(panels).enumerate() {
            let rows = T::ROWS.min(size - panel * T::ROWS);
            tile.multiply_rows(session, rows, keys.len(), values, weights, sums, begun);
        }
    }

    /// Writes the output of a panel of queries.
    fn finish(&self, worker: &mut Worker<T>, head: usize, index: usize, first_query: usize) {
        let Attention { queries, heads, size, .. } = *self.attention;
        let (item, head) = (head / heads, head % heads);
        let sums = &worker.sums[index * self.sums_len()..(index + 1) * self.sums_len()];
        let count = T::COLUMNS.min(queries.len - first_query);
        let first = item * queries.len + first_query;
        for channel in (0..size).step_by(WIDEST) {
            let width = WIDEST.min(size - channel);
            let turned = &mut worker.floats[..T::COLUMNS * WIDEST];
            self.tile.vectorise(Divide {
                sums: &sums[channel * T::COLUMNS..(channel + width) * T::COLUMNS],
                columns: T::COLUMNS,
                softmax: &worker.softmax[index],
                out: turned,
            });
            let columns = head * size + channel..head * size + channel + width;
            self.out.finish_part(self.tile, first..first + count, columns, turned, WIDEST);
        }
    }
}
