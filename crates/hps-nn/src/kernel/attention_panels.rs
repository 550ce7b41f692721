//! Packed queries, keys and values of attention.

use std::ops::Range;

use candle_core::{Result, bail};
use rayon::prelude::*;

use super::attention::Attention;
use super::buffer::Buffer;
use super::panel::{Rows, Values};
use super::tile::Tile;
use super::vector::Routine;

/// A view of `[batch, len, width]` with `width` contiguous.
#[derive(Clone, Copy)]
pub(crate) struct Sequences<'a> {
    pub values: &'a [f32],
    pub len: usize,
    /// Values from an item to the next.
    pub item_stride: usize,
    /// Values from a row to the next.
    pub row_stride: usize,
}

impl<'a> Sequences<'a> {
    /// Whether all rows lie in the values.
    pub(super) fn check(&self, batch: usize, width: usize) -> Result<()> {
        if batch == 0 || self.len == 0 {
            return Ok(());
        }
        let end = (batch - 1)
            .saturating_mul(self.item_stride)
            .saturating_add((self.len - 1).saturating_mul(self.row_stride))
            .saturating_add(width);
        if end > self.values.len() {
            bail!("{batch} x {} rows of {width} do not lie in {}", self.len, self.values.len())
        }
        Ok(())
    }

    /// The channels of a head of an item; `head` counts through all items.
    fn head(&self, attention: &Attention<'_>, head: usize) -> Result<Rows<'a>> {
        let (item, head) = (head / attention.heads, head % attention.heads);
        let start = item * self.item_stride + head * attention.size;
        let values = self.values.get(start..).unwrap_or_default();
        Rows::new(Values::F32(values), self.len, attention.size, self.row_stride)
    }
}

/// The keys and values of all heads as left-hand panels, block by block.
pub(super) struct PackedKeys<T: Tile> {
    panels: Buffer<T::Element>,
    len: usize,
    /// Numbers of the keys of a block.
    keys_len: usize,
    /// Numbers of the keys and values of a block.
    block_len: usize,
}

impl<T: Tile> PackedKeys<T> {
    /// Keys that are handled at a time: few enough that their weights for a panel of
    /// queries stay in the first-level cache.
    pub(super) const BLOCK: usize = 128usize.div_ceil(T::ROWS) * T::ROWS;

    /// Packs all keys and values.
    pub(super) fn new(tile: T, attention: &Attention<'_>) -> Result<Self> {
        let (len, size) = (attention.keys.len, attention.size);
        let keys_len = Self::BLOCK / T::ROWS * T::left_len(size);
        let block_len = keys_len + size.div_ceil(T::ROWS) * T::left_len(Self::BLOCK);
        let blocks = len.div_ceil(Self::BLOCK);
        let panels = Buffer::scratch(attention.batch * attention.heads * blocks * block_len);
        let mut packed = PackedKeys { panels, len, keys_len, block_len };
        packed.panels.par_chunks_mut(block_len).enumerate().try_for_each_init(
            || vec![0f32; Self::BLOCK * size],
            |floats, (index, out)| {
                let (head, block) = (index / blocks, index % blocks);
                let first = block * Self::BLOCK;
                let count = Self::BLOCK.min(len - first);
                let (keys, values) = out.split_at_mut(keys_len);
                let rows = attention.keys.head(attention, head)?.slice(first, count);
                for (index, panel) in keys.chunks_exact_mut(T::left_len(size)).enumerate() {
                    tile.pack_left(rows.slice(index * T::ROWS, T::ROWS), panel);
                }
                let rows = attention.values.head(attention, head)?.slice(first, count);
                let turned = &mut floats[..size * count];
                tile.vectorise(Turn { rows, columns: count, scale: 1.0, out: turned });
                let rows = Rows::new(Values::F32(turned), size, count, count)?;
                for (index, panel) in values.chunks_exact_mut(T::left_len(count)).enumerate() {
                    tile.pack_left(rows.slice(index * T::ROWS, T::ROWS), panel);
                }
                Ok::<_, candle_core::Error>(())
            },
        )?;
        Ok(packed)
    }

    /// Blocks of keys.
    pub(super) fn blocks(&self) -> usize {
        self.len.div_ceil(Self::BLOCK)
    }

    /// The keys of a block.
    pub(super) fn range(&self, block: usize) -> Range<usize> {
        block * Self::BLOCK..self.len.min((block + 1) * Self::BLOCK)
    }

    /// Panels of keys, of `left_len(size)`.
    pub(super) fn keys(&self, head: usize, block: usize) -> &[T::Element] {
        let start = (head * self.blocks() + block) * self.block_len;
        &self.panels[start..start + self.keys_len]
    }

    /// Panels of channels, of `left_len` of the keys in the block.
    pub(super) fn values(&self, head: usize, block: usize) -> &[T::Element] {
        let start = (head * self.blocks() + block) * self.block_len;
        &self.panels[start + self.keys_len..start + self.block_len]
    }
}

/// A panel of queries from `first` on as `[size][COLUMNS]`, scaled for weights that are
/// powers of two, with zeros past the last.
pub(super) fn make_queries<T: Tile>(
    tile: T,
    attention: &Attention<'_>,
    head: usize,
    first: usize,
    out: &mut [f32],
) -> Result<()> {
    let rows = attention.queries.head(attention, head)?.slice(first, T::COLUMNS);
    let scale = std::f64::consts::LOG2_E / (attention.size as f64).sqrt();
    tile.vectorise(Turn { rows, columns: T::COLUMNS, scale: scale as f32, out });
    Ok(())
}

/// Rows as `[k][columns]`, multiplied by a number; missing rows as zeros.
struct Turn<'a> {
    rows: Rows<'a>,
    columns: usize,
    scale: f32,
    out: &'a mut [f32],
}

/// Rows and steps turned at a time.
const SIDE: usize = 16;

impl Routine for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Turn { rows, columns, scale, out } = self;
        let k = rows.k();
        for first in (0..columns).step_by(SIDE) {
            let width = SIDE.min(columns - first);
            for step in (0..k).step_by(SIDE) {
                let depth = SIDE.min(k - step);
                let mut square = [[0f32; SIDE]; SIDE];
                for (lane, values) in square.iter_mut().enumerate() {
                    if first + lane < rows.count()
                        && let Values::F32(row) = rows.row(first + lane)
                    {
                        let row = &row[step..];
                        match row.first_chunk::<SIDE>() {
                            Some(row) => *values = *row,
                            None => values[..depth].copy_from_slice(&row[..depth]),
                        }
                    }
                }
                for index in 0..depth {
                    let out = &mut out[(step + index) * columns + first..];
                    let column: [f32; SIDE] = std::array::from_fn(|lane| square[lane][index]);
                    let column = column.map(|x| x * scale);
                    match out.first_chunk_mut::<SIDE>() {
                        Some(out) if width == SIDE => *out = column,
                        _ => out[..width].copy_from_slice(&column[..width]),
                    }
                }
            }
        }
    }
}
