//! Flat colours in two tones, a hard highlight, a dark outline.

use super::backdrop::{Backdrop, Look};
use super::canvas::{Area, Canvas};
use super::palette;
use super::rgb::{Rgb, mix, scale};
use crate::layout::Placed;

/// The ink of outlines.
const INK: Rgb = [0.10, 0.06, 0.14];
/// The tint of the shaded tone.
const SHADE: Rgb = [0.16, 0.08, 0.36];
/// Half the width of an outline as a share of the side.
const HALF_LINE: f32 = 0.0125;

/// The background in flat bands.
pub(super) fn backdrop(canvas: &mut Canvas, backdrop: &Backdrop) {
    let look = Look { softness: 0.5 * canvas.pixel(), detail: 0.85 };
    canvas.paint(Area::ALL, |u, v| {
        // Places in a band take the colour of its middle; details keep their places.
        let colour = backdrop.at(u, v, look);
        let plain = backdrop.at(u, v, Look { detail: 0.0, ..look });
        let band = ((v * 5.0).floor() + 0.5) / 5.0;
        let horizon = backdrop.horizon_at(u);
        let band = if v < horizon { band.min(horizon - 0.02) } else { band.max(horizon + 0.02) };
        let flat = backdrop.at(u, band, Look { detail: 0.0, ..look });
        let colour: Rgb = std::array::from_fn(|c| colour[c] - plain[c] + flat[c]);
        (colour, 1.0)
    });
}

/// An object on the background.
pub(super) fn object(canvas: &mut Canvas, object: &Placed) {
    let base = palette::paint(object.spec.colour);
    let shade = mix(scale(base, 0.78), SHADE, 0.22);
    let light = mix(base, [1.0; 3], 0.85);
    let reach = object.extent() + 2.0 * HALF_LINE;
    let area = Area { centre: object.centre, half: [reach; 2] };
    let (offset, pixel) = (0.2 * object.radius, canvas.pixel());
    let coverage = |distance: f32| (0.5 - distance / pixel).clamp(0.0, 1.0);
    canvas.update(area, |u, v, old| {
        let distance = object.distance(u, v);
        if distance > HALF_LINE + pixel {
            return old;
        }
        // Where the shape moved towards the light leaves a gap, it is in the shade.
        let lit = coverage(object.distance(u + offset, v + 1.2 * offset));
        let mut fill = mix(shade, base, lit);
        let (dx, dy) = (u - object.centre[0], v - object.centre[1]);
        let (x, y) = (dx / object.radius + 0.34, dy / object.radius + 0.38);
        let spot = ((x + y) * (x + y) + 2.2 * (x - y) * (x - y)).sqrt() * 0.7 - 0.17;
        fill = mix(fill, light, coverage(spot * object.radius));
        let inner = mix(INK, fill, coverage(distance + HALF_LINE));
        mix(old, inner, coverage(distance - HALF_LINE))
    });
}
