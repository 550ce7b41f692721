//! Sizes and padding of the longest-side recipe.

/// Where a picture ends up in a square whose side is the picture's new long side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Height after resizing, in `1..=target`.
    pub height: usize,
    /// Width after resizing, in `1..=target`.
    pub width: usize,
    /// Black columns to the left.
    pub pad_left: usize,
    /// Black rows on top.
    pub pad_top: usize,
    /// Black columns to the right: `pad_left` or one more.
    pub pad_right: usize,
    /// Black rows below: `pad_top` or one more.
    pub pad_bottom: usize,
}

impl Geometry {
    /// Places a `height` × `width` picture in a square of side `target`.
    ///
    /// Both sides are scaled by `target / max(height, width)` and rounded, halves
    /// to even. This is `ResizeMaxSize` of the `hpsv2` package with two crashes
    /// mended: a side never becomes 0, and the padding is there even when the
    /// long side already is `target`.
    pub fn longest_side(height: u32, width: u32, target: usize) -> Self {
        let scale = target as f64 / f64::from(height.max(width).max(1));
        let side = |length: u32| {
            let scaled = (f64::from(length) * scale).round_ties_even();
            (scaled as usize).clamp(1, target.max(1))
        };
        let (height, width) = (side(height), side(width));
        let (pad_h, pad_w) = (target.saturating_sub(height), target.saturating_sub(width));
        Geometry {
            height,
            width,
            pad_left: pad_w / 2,
            pad_top: pad_h / 2,
            pad_right: pad_w - pad_w / 2,
            pad_bottom: pad_h - pad_h / 2,
        }
    }
}
