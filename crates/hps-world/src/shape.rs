//! The outlines of objects as signed distances.
//!
//! Shapes live in their own coordinates: the origin is the middle, y points down,
//! and sizes are such that all kinds look about equally large at radius 1.

use std::f32::consts::{FRAC_1_SQRT_2, TAU};
use std::sync::LazyLock;

use crate::vocabulary::Kind;

/// The largest rotation of an object, in radians, either way.
pub(crate) const MAX_TURN: f32 = 0.14;

/// Half a side of the square.
const SQUARE_HALF: f32 = 0.88;
/// Half the length and half the width of a bar of the cross.
const CROSS: (f32, f32) = (1.08, 0.41);
/// Half a side of the square a heart is built on; its lobes have this radius.
const HEART_HALF: f32 = 0.62;
/// How far the heart is moved down so that it stands in its middle.
const HEART_SHIFT: f32 = 0.09;

static TRIANGLE: LazyLock<Vec<[f32; 2]>> = LazyLock::new(|| {
    let mut points = spokes(3, &[1.3]);
    points.iter_mut().for_each(|point| point[1] += 0.2);
    points
});
static STAR: LazyLock<Vec<[f32; 2]>> = LazyLock::new(|| spokes(10, &[1.3, 0.62]));
/// Half the side of the upright square around the origin that holds the shape of
/// radius 1, turned by up to [`MAX_TURN`].
pub(crate) fn extent(kind: Kind) -> f32 {
    match kind {
        Kind::Circle => 1.0,
        Kind::Square => 1.0,
        Kind::Triangle => 1.25,
        Kind::Star => 1.3,
        Kind::Heart => 1.15,
        Kind::Cross => 1.13,
    }
}

/// Distance from (`x`, `y`) to the outline, negative inside.
///
/// Exact outside; inside it may be too small in magnitude where parts overlap.
pub(crate) fn signed_distance(kind: Kind, x: f32, y: f32) -> f32 {
    match kind {
        Kind::Circle => length(x, y) - 1.0,
        Kind::Square => rectangle(x, y, SQUARE_HALF, SQUARE_HALF),
        Kind::Triangle => polygon(&TRIANGLE, x, y),
        Kind::Star => polygon(&STAR, x, y),
        Kind::Heart => heart(x, y - HEART_SHIFT),
        Kind::Cross => {
            let (long, short) = CROSS;
            rectangle(x, y, long, short).min(rectangle(x, y, short, long))
        }
    }
}

/// A square on its corner with a disc on each of its upper sides.
fn heart(x: f32, y: f32) -> f32 {
    let (p, q) = ((x + y) * FRAC_1_SQRT_2, (y - x) * FRAC_1_SQRT_2);
    let lobes = length(p + HEART_HALF, q).min(length(p, q + HEART_HALF)) - HEART_HALF;
    rectangle(p, q, HEART_HALF, HEART_HALF).min(lobes)
}

fn rectangle(x: f32, y: f32, half_width: f32, half_height: f32) -> f32 {
    let (dx, dy) = (x.abs() - half_width, y.abs() - half_height);
    length(dx.max(0.0), dy.max(0.0)) + dx.max(dy).min(0.0)
}

fn polygon(points: &[[f32; 2]], x: f32, y: f32) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    let mut from = points[points.len() - 1];
    for &to in points {
        let (ex, ey) = (to[0] - from[0], to[1] - from[1]);
        let (px, py) = (x - from[0], y - from[1]);
        let along = ((px * ex + py * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0);
        let (dx, dy) = (px - along * ex, py - along * ey);
        nearest = nearest.min(dx * dx + dy * dy);
        // A ray to the right crosses this edge.
        if (from[1] > y) != (to[1] > y) && x < from[0] + (y - from[1]) / ey * ex {
            inside = !inside;
        }
        from = to;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}

/// `count` points around the origin from the top, at the radii in turn.
fn spokes(count: usize, radii: &[f32]) -> Vec<[f32; 2]> {
    let point = |index: usize| {
        let angle = TAU * index as f32 / count as f32;
        let radius = radii[index % radii.len()];
        [radius * libm::sinf(angle), -radius * libm::cosf(angle)]
    };
    (0..count).map(point).collect()
}

fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_look_equally_large() {
        for &kind in Kind::ALL {
            let inside = |&cell: &i32| {
                let (x, y) = ((cell % 301 - 150) as f32 / 100.0, (cell / 301 - 150) as f32 / 100.0);
                signed_distance(kind, x, y) < 0.0
            };
            let area = (0..301 * 301).filter(inside).count() as f32 / 1e4;
            assert!((2.1..3.2).contains(&area), "{kind} {area}");
        }
    }

    #[test]
    fn extent_encloses_the_shape_tightly() {
        for &kind in Kind::ALL {
            let mut farthest = 0.0f32;
            for (sin, cos) in [-MAX_TURN, 0.0, MAX_TURN].map(|a| (libm::sinf(a), libm::cosf(a))) {
                for (row, column) in (0..401 * 401).map(|cell| (cell / 401 - 200, cell % 401 - 200))
                {
                    let (x, y) = (column as f32 / 125.0, row as f32 / 125.0);
                    if signed_distance(kind, cos * x + sin * y, cos * y - sin * x) < 0.0 {
                        farthest = farthest.max(x.abs()).max(y.abs());
                    }
                }
            }
            assert!(farthest <= extent(kind), "{kind} {farthest}");
            assert!(farthest > extent(kind) - 0.06, "{kind} {farthest}");
        }
    }

    #[test]
    fn distances_are_exact_outside() {
        assert!((signed_distance(Kind::Circle, 3.0, 4.0) - 4.0).abs() < 1e-6);
        assert!((signed_distance(Kind::Square, 1.88, 0.0) - 1.0).abs() < 1e-6);
        assert!((signed_distance(Kind::Star, 0.0, -2.3) - 1.0).abs() < 1e-5);
        assert!((signed_distance(Kind::Triangle, 0.0, -2.1) - 1.0).abs() < 1e-5);
        for &kind in Kind::ALL {
            assert!(signed_distance(kind, 0.0, 0.0) < 0.0, "{kind}");
        }
    }
}
