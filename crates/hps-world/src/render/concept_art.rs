//! Fog, gradients and light from behind.

use super::backdrop::{Backdrop, Look};
use super::canvas::{Area, Canvas};
use super::palette;
use super::rgb::{Rgb, lift, mix, scale, smooth_step};
use super::texture::cloudy_noise;
use crate::layout::Placed;

/// The light from behind.
const RIM: Rgb = [1.0, 0.93, 0.80];
/// The share of fog in front of objects.
const FOG: f32 = 0.18;

/// The background in fog, lighter where the light comes from.
pub(super) fn backdrop(canvas: &mut Canvas, backdrop: &Backdrop, key: u32) {
    let look = Look { softness: 0.07, detail: 0.45 };
    let haze = backdrop.scenery.haze;
    canvas.paint(Area::ALL, |u, v| {
        let wisps = cloudy_noise(key, u * 2.5 + 1.0, v * 5.0);
        let density = 0.42 + 0.28 * wisps + 0.2 * smooth_step(0.45, 0.0, (v - 0.55).abs());
        let mut colour = mix(backdrop.at(u, v, look), haze, density.clamp(0.0, 0.9));
        // A shaft of light from the upper right.
        let shaft = smooth_step(0.5, 0.0, (u + 0.55 * v - 0.95).abs());
        colour = mix(colour, mix(haze, RIM, 0.6), 0.28 * shaft * (1.0 - 0.6 * v));
        (scale(colour, vignette(u, v)), 1.0)
    });
}

/// An object on the background.
pub(super) fn object(canvas: &mut Canvas, object: &Placed, haze: Rgb) {
    let base = palette::paint(object.spec.colour);
    let glow = 0.55 * object.radius;
    let area = Area { centre: object.centre, half: [object.extent() + glow; 2] };
    let pixel = canvas.pixel();
    let edge = 0.6 * pixel + 0.006;
    canvas.update(area, |u, v, old| {
        let distance = object.distance(u, v);
        // The background close by takes a little of the object's colour.
        let aura = (1.0 - distance.max(0.0) / glow).clamp(0.0, 1.0);
        let behind = mix(old, lift(scale(base, 0.8), 0.15), 0.22 * aura * aura);
        let inside = smooth_step(edge, -edge, distance);
        if inside == 0.0 {
            return behind;
        }
        let (x, y) =
            ((u - object.centre[0]) / object.radius, (v - object.centre[1]) / object.radius);
        let towards_light = ((x - y) * 0.5).clamp(-1.0, 1.0);
        let mut fill = scale(base, 0.84 + 0.26 * towards_light);
        fill = mix(fill, haze, FOG * (0.7 + 0.5 * y.clamp(-1.0, 1.0)));
        // Where the shape would end if it moved away from the light.
        let offset = 0.13 * object.radius + 0.5 * pixel;
        let lit = object.distance(u + offset, v - offset);
        let rim = smooth_step(-0.5 * pixel, 0.06 * object.radius + pixel, lit);
        fill = mix(fill, RIM, 0.72 * rim);
        mix(behind, scale(fill, 0.15 + 0.85 * vignette(u, v)), inside)
    });
}

/// Corners are dark.
fn vignette(u: f32, v: f32) -> f32 {
    let (x, y) = (u - 0.5, v - 0.5);
    1.0 - 0.62 * smooth_step(0.12, 0.62, x * x + y * y)
}
