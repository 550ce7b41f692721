//! Weights of linear layers, packed once as right-hand panels.

use std::ops::Range;

use candle_core::{DType, Result, Tensor, bail};
use half::f16;
use hps_core::Precision;
use rayon::prelude::*;

use super::buffer::Buffer;
use super::choice::Kernel;
use super::dispatch::{Visitor, with_tile};
use super::panel::Rows;
use super::product::{Dims, PackedRows, Panels, Scratch, product};
use super::tail::{Out, Tail};
use super::tile::Tile;

/// `weight: [n, k]` of `y = x @ weight.T`, ready for a kernel.
pub(crate) trait PackedWeights: Send + Sync {
    /// Whether input rows are rounded to bf16, so that bf16 rows give the same bits.
    fn rounds_rows(&self) -> bool;

    /// `out = tail(xs @ weight.T)`, with `out` in row-major order.
    ///
    /// # Errors
    ///
    /// When lengths do not fit.
    fn forward(&self, xs: Rows<'_>, tail: &Tail<'_>, out: Out<'_>) -> Result<()>;
}

/// Packs `weight: [n, k]`, of any float type, for `kernel` and `precision`.
///
/// # Errors
///
/// When `weight` is not a matrix of floats on the host.
pub(crate) fn pack_weights(
    kernel: Kernel,
    precision: Precision,
    weight: &Tensor,
) -> Result<Box<dyn PackedWeights>> {
    with_tile(kernel, precision, Pack { weight, gated: false })
}

/// As [`pack_weights`], for outputs of `values * activation(gates)`, where the first half
/// of the rows of `weight` gives the values and the second the gates.
///
/// # Errors
///
/// As [`pack_weights`], and when `n` is odd.
pub(crate) fn pack_gated_weights(
    kernel: Kernel,
    precision: Precision,
    weight: &Tensor,
) -> Result<Box<dyn PackedWeights>> {
    with_tile(kernel, precision, Pack { weight, gated: true })
}

struct Pack<'a> {
    weight: &'a Tensor,
    gated: bool,
}

impl Visitor for Pack<'_> {
    type Output = Result<Box<dyn PackedWeights>>;

    fn visit<T: Tile>(self, tile: T) -> Self::Output {
        Ok(Box::new(Columns::new(tile, self.weight, self.gated)?))
    }
}

/// Right-hand panels of all columns.
pub(super) struct Columns<T: Tile> {
    tile: T,
    order: Order,
    inner: usize,
    stored: Stored<T::Element>,
}

/// Which column of the right side, a row of `weight`, stands where.
#[derive(Clone, Copy)]
struct Order {
    columns: usize,
    gated: bool,
}

/// How panels are kept.
enum Stored<E> {
    /// `[panel][k][COLUMNS]`, made into elements of the kernel whenever it is used.
    F16(Buffer<f16>),
    /// As the kernel reads them.
    Ready(Buffer<E>),
}

impl Order {
    /// Columns of the output.
    fn outputs(self) -> usize {
        if self.gated { self.columns / 2 } else { self.columns }
    }

    /// Panels of `width` columns.
    fn panels(self, width: usize) -> usize {
        self.outputs().div_ceil(if self.gated { width / 2 } else { width })
    }

    /// The column at place `lane` of panel `panel`.
    fn column(self, panel: usize, lane: usize, width: usize) -> Option<usize> {
        if self.gated {
            let half = width / 2;
            let column = panel * half + lane % half;
            (column < self.outputs()).then(|| column + lane / half * self.outputs())
        } else {
            let column = panel * width + lane;
            (column < self.columns).then_some(column)
        }
    }

    /// Panel `panel` of `[columns, inner]` as `[inner][width]`; `out` holds zeros.
    fn interleave<V: Copy>(self, values: &[V], panel: usize, width: usize, out: &mut [V]) {
        /// Steps of all columns that are handled while they are in cache.
        const STEPS: usize = 32;
        let inner = out.len() / width;
        for (index, steps) in out.chunks_mut(STEPS * width).enumerate() {
            let first = index * STEPS;
            for lane in 0..width {
                let Some(column) = self.column(panel, lane, width) else { continue };
                let row = &values[column * inner + first..(column + 1) * inner];
                let places = steps.iter_mut().skip(lane).step_by(width);
                places.zip(row).for_each(|(place, value)| *place = *value);
            }
        }
    }
}

impl<T: Tile> Columns<T> {
    pub(super) fn new(tile: T, weight: &Tensor, gated: bool) -> Result<Self> {
        let (columns, inner) = weight.dims2()?;
        if gated && columns % 2 != 0 {
            bail!("{columns} columns are not as many values as gates")
        }
        let order = Order { columns, gated };
        let halves = if T::KEEPS_F16 { exact_f16(weight)? } else { None };
        let stored = match halves {
            Some(values) => Stored::F16(kept_f16::<T>(&values, order, inner)),
            None => Stored::Ready(ready(tile, weight, order, inner)?),
        };
        Ok(Columns { tile, order, inner, stored })
    }
}

/// The values as half floats, if none of them changes.
pub(super) fn exact_f16(weight: &Tensor) -> Result<Option<Vec<f16>>> {
    if weight.dtype() == DType::F16 {
        return Ok(Some(weight.flatten_all()?.to_vec1()?));
    }
    let values: Vec<f32> = weight.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let exact = values.par_iter().all(|&x| {
        let half = f16::from_f32(x);
        half.to_f32().to_bits() == x.to_bits()
    });
    Ok(exact.then(|| values.par_iter().map(|&x| f16::from_f32(x)).collect()))
}

fn kept_f16<T: Tile>(values: &[f16], order: Order, inner: usize) -> Buffer<f16> {
    let len = inner * T::COLUMNS;
    let mut buffer = Buffer::<f16>::zeroed(order.panels(T::COLUMNS) * len);
    let panels = buffer.par_chunks_mut(len.max(1)).enumerate();
    panels.for_each(|(panel, out)| order.interleave(values, panel, T::COLUMNS, out));
    buffer
}

fn ready<T: Tile>(
    tile: T,
    weight: &Tensor,
    order: Order,
    inner: usize,
) -> Result<Buffer<T::Element>> {
    let values: Vec<f32> = weight.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let len = T::right_len(inner);
    let mut buffer = Buffer::zeroed(order.panels(T::COLUMNS) * len);
    let panels = buffer.par_chunks_mut(len.max(1)).enumerate();
    panels.for_each(|(panel, out)| {
        let mut columns = vec![0f32; inner * T::COLUMNS];
        order.interleave(&values, panel, T::COLUMNS, &mut columns);
        tile.pack_right(&columns, out);
    });
    Ok(buffer)
}

impl<T: Tile> PackedWeights for Columns<T> {
    fn rounds_rows(&self) -> bool {
        T::ROUNDS_ROWS
    }

    fn forward(&self, xs: Rows<'_>, tail: &Tail<'_>, out: Out<'_>) -> Result<()> {
        if xs.k() != self.inner {
            bail!("rows of {} where {} are expected", xs.k(), self.inner)
        }
        let dims = Dims { rows: xs.count(), columns: self.order.outputs(), inner: self.inner };
        let tail = Tail { gated: self.order.gated, ..*tail };
        product(self.tile, dims, &PackedRows::new(self.tile, xs), self, &tail, out)
    }
}

impl<T: Tile> Panels<T::Element> for Columns<T> {
    fn panel<'a>(&'a self, index: usize, scratch: &'a mut Scratch<T::Element>) -> &'a [T::Element] {
        self.steps(index, 0..self.inner, scratch)
    }

    fn is_kept(&self) -> bool {
        matches!(self.stored, Stored::Ready(_))
    }

    fn part<'a, U: Tile<Element = T::Element>>(
        &'a self,
        index: usize,
        steps: Range<usize>,
        scratch: &'a mut Scratch<T::Element>,
    ) -> Option<&'a [T::Element]> {
        Some(self.steps(index, steps, scratch))
    }
}

impl<T: Tile> Columns<T> {
    /// Some inner steps of a panel, made while they are about to be used.
    fn steps<'a>(
        &'a self,
        index: usize,
        steps: Range<usize>,
        scratch: &'a mut Scratch<T::Element>,
    ) -> &'a [T::Element] {
        match &self.stored {
            Stored::Ready(panels) => {
                let panel = index * T::right_len(self.inner);
                &panels[panel + T::right_len(steps.start)..panel + T::right_len(steps.end)]
            }
            Stored::F16(panels) => {
                let (len, values) = (T::right_len(steps.len()), steps.len() * T::COLUMNS);
                scratch.floats.reserve(values);
                scratch.panel.reserve(len);
                let (floats, panel) = (&mut scratch.floats[..values], &mut scratch.panel[..len]);
                let first = (index * self.inner + steps.start) * T::COLUMNS;
                self.tile.pack_right_f16(&panels[first..first + values], floats, panel);
                panel
            }
        }
    }
}
