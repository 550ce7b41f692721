//! Colours as three numbers, and what paint does with them.

/// Red, green and blue in [0, 1], as they are stored: gamma-encoded.
pub(crate) type Rgb = [f32; 3];

/// `a` at 0, `b` at 1.
pub(crate) fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * share)
}

/// Lighter or darker.
pub(crate) fn scale(colour: Rgb, factor: f32) -> Rgb {
    colour.map(|value| value * factor)
}

/// The same amount more of every component.
pub(crate) fn lift(colour: Rgb, amount: f32) -> Rgb {
    colour.map(|value| value + amount)
}

/// 0 below `low`, 1 above `high`, smooth in between; `high` may be the smaller one.
pub(crate) fn smooth_step(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Perceived brightness (Rec. 601 weights).
pub(crate) fn luma(colour: Rgb) -> f32 {
    0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
}
