//! Brush strokes on canvas.

use std::f32::consts::TAU;

use super::backdrop::{Backdrop, Look};
use super::canvas::{Area, Canvas};
use super::palette;
use super::rgb::{Rgb, lift, mix, scale, smooth_step};
use super::texture::{cell_noise, smooth_noise};
use crate::layout::Placed;
use crate::random::Stream;
use crate::vocabulary::Background;

/// One stroke of a brush. Lengths are shares of the picture's side.
#[derive(Clone, Copy, Debug)]
struct Stroke {
    centre: [f32; 2],
    /// Sine and cosine of its direction.
    turn: (f32, f32),
    half_length: f32,
    half_width: f32,
    colour: Rgb,
    key: u32,
}

/// The background as strokes over an underpainting.
pub(super) fn backdrop(
    canvas: &mut Canvas,
    backdrop: &Backdrop,
    background: Background,
    stream: &mut Stream,
) {
    const COLUMNS: usize = 11;
    const ROWS: usize = 20;
    let look = Look { softness: 0.02, detail: 0.9 };
    canvas.paint(Area::ALL, |u, v| (backdrop.at(u, v, look), 1.0));
    let mut cells: Vec<usize> = (0..COLUMNS * ROWS).collect();
    stream.shuffle(&mut cells);
    for cell in cells {
        let u = ((cell % COLUMNS) as f32 + stream.unit()) / COLUMNS as f32;
        let v = ((cell / COLUMNS) as f32 + stream.unit()) / ROWS as f32;
        let upright = background == Background::Meadow && v > backdrop.horizon_at(u) + 0.05;
        let flow = if upright { 1.45 } else { 0.0 };
        let colour = vary(backdrop.at(u, v, look), 0.055, stream);
        let stroke = Stroke {
            centre: [u, v],
            turn: turn(flow + stream.range(-0.35, 0.35)),
            half_length: stream.range(0.05, 0.085),
            half_width: stream.range(0.017, 0.027),
            colour,
            key: stream.bits(),
        };
        draw(canvas, &stroke, |_, _| 1.0);
    }
}

/// An object on the background.
pub(super) fn object(canvas: &mut Canvas, object: &Placed, stream: &mut Stream) {
    let base = palette::paint(object.spec.colour);
    let (wobble, pixel) = (stream.bits(), canvas.pixel());
    let inside = |u: f32, v: f32| {
        let rough = 0.007 * smooth_noise(wobble, u * 22.0, v * 22.0);
        smooth_step(0.9 * pixel, -0.9 * pixel, object.distance(u, v) + rough)
    };
    let reach = object.extent() + 2.0 * pixel;
    let area = Area { centre: object.centre, half: [reach; 2] };
    canvas.paint(area, |u, v| (scale(base, 0.9), inside(u, v)));
    let flow = stream.range(-0.9, -0.5);
    let half_width = (0.17 * object.radius).max(1.1 * pixel);
    for _ in 0..70 {
        let [u, v] = object.centre.map(|centre| centre + stream.range(-reach, reach));
        let (x, y) = ((u - object.centre[0]) / reach, (v - object.centre[1]) / reach);
        let shade = 1.0 - 0.17 * (x + y);
        let stroke = Stroke {
            centre: [u, v],
            turn: turn(flow + stream.range(-0.4, 0.4) + 0.8 * x),
            half_length: stream.range(0.4, 0.6) * object.radius,
            half_width,
            colour: vary(scale(base, shade), 0.09, stream),
            key: stream.bits(),
        };
        draw(canvas, &stroke, inside);
    }
}

/// The weave of the canvas shows through everything.
pub(super) fn weave(canvas: &mut Canvas) {
    const THREADS: f32 = 19.0;
    canvas.update(Area::ALL, |u, v, old| {
        let weave = libm::sinf(u * TAU * THREADS) * libm::sinf(v * TAU * THREADS);
        scale(old, 1.0 + 0.055 * weave)
    });
}

/// Paints `stroke` where `mask` lets it.
fn draw(canvas: &mut Canvas, stroke: &Stroke, mask: impl Fn(f32, f32) -> f32) {
    let (sin, cos) = stroke.turn;
    let (length, width) = (stroke.half_length, stroke.half_width);
    let half = [length * cos.abs() + width * sin.abs(), length * sin.abs() + width * cos.abs()];
    let pixel = canvas.pixel();
    canvas.update(Area { centre: stroke.centre, half }, |u, v, old| {
        let (dx, dy) = (u - stroke.centre[0], v - stroke.centre[1]);
        let (along, across) = (cos * dx + sin * dy, cos * dy - sin * dx);
        // A box with round ends.
        let over = (along.abs() - (length - width)).max(0.0);
        let distance = (over * over + across * across).sqrt() - width;
        let cover = (0.5 - distance / (1.5 * pixel)).clamp(0.0, 1.0);
        if cover == 0.0 {
            return old;
        }
        // Bristles leave lines, and paint piles up on one side.
        let bristle = cell_noise(stroke.key, (across / width * 3.5).round() as i32, 0);
        let colour = lift(stroke.colour, 0.04 * bristle - 0.05 * across / width);
        mix(old, colour, cover * (0.82 + 0.18 * bristle) * mask(u, v))
    });
}

/// `colour`, lighter or darker and a little off.
fn vary(colour: Rgb, amount: f32, stream: &mut Stream) -> Rgb {
    let light = stream.range(-amount, amount);
    colour.map(|value| value + light + 0.5 * stream.range(-amount, amount))
}

fn turn(angle: f32) -> (f32, f32) {
    (libm::sinf(angle), libm::cosf(angle))
}
