//! Panels of the pixels that a convolution looks at.

use std::ops::Range;

use super::conv_geometry::Geometry;
use super::out::prefetch;
use super::vector::Routine;

/// Values copied at a time.
const STRIP: usize = 16;

/// Where consecutive output pixels of one row look through one pixel of the kernel.
#[derive(Clone, Copy, Debug)]
struct Tap {
    /// The first output pixel's column in the panel.
    lane: usize,
    len: usize,
    /// The columns whose pixels lie in the picture, counted from `lane`.
    start: usize,
    end: usize,
    /// The first pixel's place in a channel, which may lie before or after it.
    offset: isize,
}

/// Where the output pixels of a panel look, the same in every channel.
pub(super) struct PanelTaps {
    /// For every pixel of the kernel, the rows of output that the panel touches.
    taps: Vec<Tap>,
    rows: usize,
    /// Columns that have pixels.
    used: usize,
}

impl PanelTaps {
    /// The panel of `columns` output pixels from `first` on.
    pub(super) fn new(geometry: &Geometry, first: usize, columns: usize) -> Self {
        let used = columns.min(geometry.pixels() - first);
        let mut rows = Vec::new();
        let mut lane = 0;
        while lane < used {
            let (y, x) = ((first + lane) / geometry.out_width, (first + lane) % geometry.out_width);
            let len = (geometry.out_width - x).min(used - lane);
            rows.push((lane, len, x, y));
            lane += len;
        }
        let side = geometry.kernel;
        let taps = (0..side * side).flat_map(|pixel| {
            let rows = rows.iter();
            rows.map(move |row| Tap::new(geometry, *row, (pixel % side, pixel / side)))
        });
        PanelTaps { taps: taps.collect(), rows: rows.len(), used }
    }
}

impl Tap {
    /// Output pixels from `(x, y)` on through pixel `(kernel_x, kernel_y)` of the kernel.
    fn new(
        geometry: &Geometry,
        (lane, len, x, y): (usize, usize, usize, usize),
        (kernel_x, kernel_y): (usize, usize),
    ) -> Self {
        let Geometry { height, width, stride, before, .. } = *geometry;
        let place = |at: usize, kernel: usize| (at * stride + kernel) as isize - before as isize;
        let (x, y) = (place(x, kernel_x), place(y, kernel_y));
        let outside = y < 0 || y >= height as isize;
        // The first `lane` whose pixel is not left of `limit`.
        let lanes_before = |limit: isize| {
            let steps = (limit - x).max(0) as usize;
            if outside { 0 } else { steps.div_ceil(stride).min(len) }
        };
        let (start, end) = (lanes_before(0), lanes_before(width as isize));
        Tap { lane, len, start, end, offset: y * width as isize + x }
    }
}

/// Fills `out`, `[steps][columns]`, with what the output pixels of a panel see in `picture`
/// through the `steps` of the kernel, in the order (channel, row, column). Columns past the
/// last pixel and what lies outside of the picture are zeros.
pub(super) struct FillPanel<'a> {
    pub geometry: &'a Geometry,
    pub picture: &'a [f32],
    pub taps: &'a PanelTaps,
    pub steps: Range<usize>,
    pub columns: usize,
    pub out: &'a mut [f32],
}

impl Routine for FillPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let FillPanel { geometry, picture, taps, steps, columns, out } = self;
        let (side, plane_len) = (geometry.kernel, geometry.height * geometry.width);
        let pixels = side * side;
        let (mut channel, mut pixel) = (steps.start / pixels, steps.start % pixels);
        // The same place when the next steps are filled.
        let ahead = steps.len().div_ceil(pixels) * plane_len;
        for out in out.chunks_exact_mut(columns).take(steps.len()) {
            let plane = channel * plane_len;
            for tap in &taps.taps[pixel * taps.rows..(pixel + 1) * taps.rows] {
                let from = plane as isize + tap.offset;
                if pixel.is_multiple_of(side) {
                    ask_for(picture, from + ahead as isize, tap.len);
                }
                if geometry.stride == 1 {
                    copy(picture, from, tap, out);
                } else {
                    gather(picture, from, tap, geometry.stride, out);
                }
            }
            if taps.used < columns {
                out[taps.used..].fill(0.0);
            }
            pixel += 1;
            if pixel == pixels {
                (pixel, channel) = (0, channel + 1);
            }
        }
    }
}

/// Channels are too far apart for the processor to see a pattern.
#[inline(always)]
fn ask_for(picture: &[f32], from: isize, len: usize) {
    for start in (0..len).step_by(STRIP) {
        prefetch::<false, _>(picture.as_ptr().wrapping_offset(from + start as isize));
    }
}

/// Neighbouring pixels. Columns after them may be overwritten.
#[inline(always)]
fn copy(picture: &[f32], from: isize, tap: &Tap, out: &mut [f32]) {
    if tap.start == tap.end {
        return out[tap.lane..tap.lane + tap.len].fill(0.0);
    }
    // Whole strips are copied even where they begin before or end after the row, as long
    // as there is memory; what is outside of the row is cleared afterwards.
    let strips = tap.len.next_multiple_of(STRIP);
    let (from, to) = (from as usize, tap.lane);
    let Some((pixels, strips)) = from
        .checked_add(strips)
        .and_then(|end| picture.get(from..end))
        .zip(out.get_mut(to..to + strips))
    else {
        return copy_one_by_one(picture, from, tap, out);
    };
    let strips = strips.as_chunks_mut::<STRIP>().0.iter_mut();
    strips.zip(pixels.as_chunks().0).for_each(|(strip, pixels)| *strip = *pixels);
    if tap.end - tap.start < tap.len {
        let out = &mut out[tap.lane..tap.lane + tap.len];
        out[..tap.start].iter_mut().for_each(|value| *value = 0.0);
        out[tap.end..].iter_mut().for_each(|value| *value = 0.0);
    }
}

#[inline(never)]
fn copy_one_by_one(picture: &[f32], from: usize, tap: &Tap, out: &mut [f32]) {
    let out = &mut out[tap.lane..tap.lane + tap.len];
    out.fill(0.0);
    let first = from.wrapping_add(tap.start);
    out[tap.start..tap.end].copy_from_slice(&picture[first..first + tap.end - tap.start]);
}

/// Pixels `stride` apart.
#[inline(always)]
fn gather(picture: &[f32], from: isize, tap: &Tap, stride: usize, out: &mut [f32]) {
    let out = &mut out[tap.lane..tap.lane + tap.len];
    out[..tap.start].fill(0.0);
    out[tap.end..].fill(0.0);
    if tap.start < tap.end {
        let first = (from + (tap.start * stride) as isize) as usize;
        let pixels = picture[first..].iter().step_by(stride);
        out[tap.start..tap.end].iter_mut().zip(pixels).for_each(|(value, pixel)| *value = *pixel);
    }
}
