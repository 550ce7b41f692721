//! Soft light on solid things, shadows, a shallow focus and grain.

use super::backdrop::{Backdrop, Look};
use super::canvas::{Area, Canvas};
use super::palette;
use super::rgb::{Rgb, lift, mix, scale, smooth_step};
use super::texture::{grain, smooth_noise};
use crate::layout::Placed;

/// The direction to the light: left, up, towards the viewer; of length 1.
const LIGHT: [f32; 3] = [-0.442, -0.566, 0.696];
/// Halfway between the light and the viewer; of length 1.
const HALFWAY: [f32; 3] = [-0.240, -0.307, 0.921];
/// The standard deviation of grain.
const GRAIN: f32 = 0.024;

/// The background out of focus.
pub(super) fn backdrop(canvas: &mut Canvas, backdrop: &Backdrop, key: u32) {
    let look = Look { softness: 0.035, detail: 0.55 };
    canvas.paint(Area::ALL, |u, v| {
        let uneven = 1.0 + 0.05 * smooth_noise(key, u * 3.0, v * 3.0);
        (scale(backdrop.at(u, v, look), uneven), 1.0)
    });
}

/// The shadow an object throws, before any object is drawn.
pub(super) fn shadow(canvas: &mut Canvas, object: &Placed) {
    let (offset, blur) = (0.24 * object.radius, 0.42 * object.radius);
    let centre = object.centre.map(|centre| centre + offset);
    let area = Area { centre, half: [object.extent() + blur; 2] };
    canvas.update(area, |u, v, old| {
        let distance = object.distance(u - offset, v - offset);
        scale(old, 1.0 - 0.42 * smooth_step(blur, -blur, distance))
    });
}

/// An object on the background.
pub(super) fn object(canvas: &mut Canvas, object: &Placed) {
    let base = palette::paint(object.spec.colour);
    let pixel = canvas.pixel();
    let bevel = 0.75 * object.radius;
    // Wide differences round the ridges where sides meet.
    let step = 0.22 * object.radius;
    let area = Area { centre: object.centre, half: [object.extent() + pixel; 2] };
    canvas.update(area, |u, v, old| {
        let distance = object.distance(u, v);
        let inside = smooth_step(0.8 * pixel, -0.8 * pixel, distance);
        if inside == 0.0 {
            return old;
        }
        // The surface rises from the outline like a quarter of a circle.
        let rise = (-distance / bevel).clamp(0.0, 1.0);
        let slope = 1.0 - rise;
        let gradient = [
            (object.distance(u + step, v) - object.distance(u - step, v)) / (2.0 * step),
            (object.distance(u, v + step) - object.distance(u, v - step)) / (2.0 * step),
        ];
        let [x, y] = gradient.map(|part| part * slope);
        let normal = [x, y, (1.0 - x * x - y * y).max(0.0).sqrt()];
        mix(old, shine(base, normal), inside)
    });
}

/// Vignette, a warm tint and grain over everything.
pub(super) fn develop(canvas: &mut Canvas, key: u32) {
    let side = 1.0 / canvas.pixel();
    canvas.update(Area::ALL, |u, v, old| {
        let (x, y) = (u - 0.5, v - 0.5);
        let vignette = 1.0 - 0.35 * (x * x + y * y);
        let warm = [old[0] * 1.015, old[1], old[2] * 0.975];
        let noise = grain(key, (u * side) as i32, (v * side) as i32);
        lift(scale(warm, vignette), GRAIN * noise)
    });
}

/// The colour of a lit surface with this normal.
fn shine(base: Rgb, normal: [f32; 3]) -> Rgb {
    let towards =
        |to: [f32; 3]| (normal[0] * to[0] + normal[1] * to[1] + normal[2] * to[2]).max(0.0);
    let lit = scale(base, 0.42 + 0.72 * towards(LIGHT));
    let mut gloss = towards(HALFWAY);
    // The 16th power.
    for _ in 0..4 {
        gloss *= gloss;
    }
    mix(lit, [1.0; 3], 0.5 * gloss)
}
