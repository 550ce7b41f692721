//! Weights of convolutions, packed once as left-hand panels.

use candle_core::{DType, Result, Tensor};
use half::f16;
use hps_core::Precision;
use rayon::prelude::*;

use super::buffer::Buffer;
use super::choice::Kernel;
use super::conv::convolve;
use super::conv_geometry::Geometry;
use super::dispatch::{Visitor, with_tile};
use super::panel::{Rows, Values};
use super::product::Scratch;
use super::tail::Tail;
use super::tile::Tile;
use super::vector::Routine;
use super::weights::exact_f16;

/// `weight: [outputs, inner]` of a convolution, ready for a kernel.
pub(crate) trait PackedFilters: Send + Sync {
    /// `out = tail(conv(pictures))`, with `bias` for each output channel, `pictures:
    /// [batch, channels, height, width]` and `out: [batch, outputs, out_height,
    /// out_width]`.
    ///
    /// # Errors
    ///
    /// When lengths do not fit.
    fn forward(
        &self,
        pictures: Pictures<'_>,
        bias: Option<&[f32]>,
        tail: &Tail<'_>,
        out: &mut [f32],
    ) -> Result<()>;
}

/// The input of a convolution.
#[derive(Clone, Copy)]
pub(crate) struct Pictures<'a> {
    pub values: &'a [f32],
    pub batch: usize,
    pub geometry: Geometry,
}

/// Packs `weight: [outputs, channels, side, side]`, of any float type, for `kernel` and
/// `precision`.
///
/// # Errors
///
/// When `weight` is no tensor of floats on the host.
pub(crate) fn pack_filters(
    kernel: Kernel,
    precision: Precision,
    weight: &Tensor,
) -> Result<Box<dyn PackedFilters>> {
    let weight = weight.flatten_from(1)?;
    with_tile(kernel, precision, Pack { weight: &weight })
}

struct Pack<'a> {
    weight: &'a Tensor,
}

impl Visitor for Pack<'_> {
    type Output = Result<Box<dyn PackedFilters>>;

    fn visit<T: Tile>(self, tile: T) -> Self::Output {
        Ok(Box::new(Filters::new(tile, self.weight)?))
    }
}

/// Left-hand panels of all output channels. The inner dimension is cut into parts of
/// [`Tile::STEPS`]; the panels of a part follow each other, part after part.
pub(super) struct Filters<T: Tile> {
    tile: T,
    outputs: usize,
    inner: usize,
    stored: Stored<T::Element>,
}

/// How panels are kept.
enum Stored<E> {
    /// Rows, made into panels whenever they are used.
    F16(Vec<f16>),
    /// As the kernel reads them.
    Ready(Buffer<E>),
}

impl<T: Tile> Filters<T> {
    /// Packs `weight: [outputs, inner]`.
    pub(super) fn new(tile: T, weight: &Tensor) -> Result<Self> {
        let (outputs, inner) = weight.dims2()?;
        let half = if T::KEEPS_F16 { exact_f16(weight)? } else { None };
        let stored = match half {
            Some(values) => Stored::F16(values),
            None => {
                let values: Vec<f32> = weight.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
                Stored::Ready(ready(tile, Rows::new(Values::F32(&values), outputs, inner, inner)?))
            }
        };
        Ok(Filters { tile, outputs, inner, stored })
    }

    /// Output channels.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Length of the inner dimension.
    pub(super) fn inner(&self) -> usize {
        self.inner
    }

    /// Panel `index` over `steps` inner steps from `start`, a multiple of `STEPS`.
    pub(super) fn panel<'a>(
        &'a self,
        index: usize,
        start: usize,
        steps: usize,
        scratch: &'a mut Scratch<T::Element>,
    ) -> Result<&'a [T::Element]> {
        let len = T::left_len(steps);
        let values = match &self.stored {
            Stored::Ready(panels) => {
                let panels = &panels[self.outputs.div_ceil(T::ROWS) * T::left_len(start)..];
                return Ok(&panels[index * len..(index + 1) * len]);
            }
            Stored::F16(values) => values,
        };
        let rows = index * T::ROWS..self.outputs.min((index + 1) * T::ROWS);
        let count = rows.len();
        scratch.floats.reserve(T::ROWS * steps);
        scratch.panel.reserve(len);
        let (floats, panel) = (&mut scratch.floats[..], &mut scratch.panel[..len]);
        for (floats, row) in floats.chunks_exact_mut(steps).zip(rows) {
            let start = row * self.inner + start;
            self.tile.vectorise(Widen { from: &values[start..start + steps], to: floats });
        }
        self.tile.pack_left(Rows::new(Values::F32(floats), count, steps, steps)?, panel);
        Ok(panel)
    }
}

/// Half floats to floats, one by one, without branches.
struct Widen<'a> {
    from: &'a [f16],
    to: &'a mut [f32],
}

impl Routine for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.to.iter_mut().zip(self.from).for_each(|(to, from)| *to = widen(*from));
    }
}

/// The value of a half float that is finite.
#[inline(always)]
fn widen(half: f16) -> f32 {
    /// The exponent bias of floats over that of half floats.
    const REBIAS: u32 = (127 - 15) << 23;
    let half = u32::from(half.to_bits());
    let bits = (half & 0x7fff) << 13;
    // Without exponent bits the mantissa counts from 0: one more exponent, minus its 1.
    let normal = f32::from_bits(bits + REBIAS);
    let subnormal = f32::from_bits(bits + REBIAS + (1 << 23)) - f32::from_bits(REBIAS + (1 << 23));
    let magnitude = if bits < 1 << 23 { subnormal } else { normal };
    f32::from_bits(magnitude.to_bits() | ((half & 0x8000) << 16))
}

/// Packs all rows, part by part.
fn ready<T: Tile>(tile: T, rows: Rows<'_>) -> Buffer<T::Element> {
    let panels = rows.count().div_ceil(T::ROWS);
    let mut buffer = Buffer::zeroed(panels * T::left_len(rows.k()));
    let parts = buffer.par_chunks_mut((panels * T::left_len(T::STEPS)).max(1)).enumerate();
    parts.for_each(|(part, out)| {
        let start = part * T::STEPS;
        let steps = T::STEPS.min(rows.k() - start);
        let panels = out.par_chunks_mut(T::left_len(steps)).enumerate();
        panels.for_each(|(index, panel)| {
            let rows = rows.slice(index * T::ROWS, T::ROWS).narrow(start, steps);
            tile.pack_left(rows, panel);
        });
    });
    buffer
}

impl<T: Tile> PackedFilters for Filters<T> {
    fn forward(
        &self,
        pictures: Pictures<'_>,
        bias: Option<&[f32]>,
        tail: &Tail<'_>,
        out: &mut [f32],
    ) -> Result<()> {
        convolve(self.tile, self, pictures, bias, tail, out)
    }
}
