//! Where the objects of a scene stand.

use hps_core::Seed;

use crate::random::{Purpose, Stream};
use crate::scene::{ObjectSpec, SceneSpec};
use crate::shape;
use crate::vocabulary::{Relation, Size};

/// Radii as shares of the picture's side, before chance changes them a little.
const SMALL: f32 = 0.1;
const LARGE: f32 = 0.166;
/// Radii differ by up to this share.
const RADIUS_JITTER: f32 = 0.05;
/// Free space at the border and between objects, as shares of the side.
const MARGIN: f32 = 0.02;
const GAP: f32 = 0.045;
/// Side over main displacement of two objects: far from where a relation changes.
const SLANT: f32 = 0.4;

/// An object at its place. Lengths are shares of the picture's side, y points down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// What it is.
    pub spec: ObjectSpec,
    /// Its middle.
    pub centre: [f32; 2],
    /// The scale of its shape.
    pub radius: f32,
    /// Sine and cosine of its rotation.
    pub turn: (f32, f32),
}

impl Placed {
    /// Distance from a point of the picture to the outline, negative inside.
    pub(crate) fn distance(&self, u: f32, v: f32) -> f32 {
        let (x, y) = self.local(u, v);
        shape::signed_distance(self.spec.kind, x, y) * self.radius
    }

    /// A point of the picture in the shape's coordinates.
    pub(crate) fn local(&self, u: f32, v: f32) -> (f32, f32) {
        let (sin, cos) = self.turn;
        let (x, y) = ((u - self.centre[0]) / self.radius, (v - self.centre[1]) / self.radius);
        (cos * x + sin * y, cos * y - sin * x)
    }

    /// Half the side of the upright square around its middle that holds the object.
    pub(crate) fn extent(&self) -> f32 {
        shape::extent(self.spec.kind) * self.radius
    }

    fn new(spec: ObjectSpec, stream: &mut Stream) -> Self {
        let radius = radius(spec.size) * stream.range(1.0 - RADIUS_JITTER, 1.0 + RADIUS_JITTER);
        let angle = stream.range(-shape::MAX_TURN, shape::MAX_TURN);
        let turn = (libm::sinf(angle), libm::cosf(angle));
        Placed { spec, centre: [0.5, 0.5], radius, turn }
    }
}

/// The middle radius of a size as a share of the picture's side.
pub(crate) fn radius(size: Size) -> f32 {
    match size {
        Size::Small => SMALL,
        Size::Large => LARGE,
    }
}

/// The objects of `scene` at places drawn from `seed`.
pub(crate) fn place(scene: &SceneSpec, seed: Seed) -> Vec<Placed> {
    let mut stream = Stream::new(seed, 0, Purpose::Layout);
    let mut first = Placed::new(scene.first, &mut stream);
    let Some(second) = scene.second else {
        let extent = first.extent() + MARGIN;
        first.centre = [0, 1].map(|_| stream.range(extent.max(0.28), (1.0 - extent).min(0.72)));
        return vec![first];
    };
    let mut other = Placed::new(second.object, &mut stream);
    let axis = match second.relation {
        Relation::Above | Relation::Below => 1,
        Relation::LeftOf | Relation::RightOf => 0,
    };
    let reversed = matches!(second.relation, Relation::Below | Relation::RightOf);
    let (before, after) =
        if reversed { (&mut other, &mut first) } else { (&mut first, &mut other) };
    spread(before, after, axis, &mut stream);
    vec![first, other]
}

/// Puts `before` ahead of `after` along `axis`.
fn spread(before: &mut Placed, after: &mut Placed, axis: usize, stream: &mut Stream) {
    let needed = 2.0 * (before.extent() + after.extent()) + GAP + 2.0 * MARGIN;
    let slack = 1.0 - needed;
    let (lead, part) = (stream.unit(), stream.range(0.0, 0.6));
    let gap = GAP + slack * part;
    let start = MARGIN + slack * (1.0 - part) * lead;
    before.centre[axis] = start + before.extent();
    after.centre[axis] = start + 2.0 * before.extent() + gap + after.extent();
    let side = (after.centre[axis] - before.centre[axis]) * SLANT * 0.5;
    let middle = stream.range(0.4, 0.6);
    for object in [before, after] {
        let room = 0.5 - MARGIN - object.extent();
        let shift = middle - 0.5 + stream.range(-side, side);
        object.centre[1 - axis] = 0.5 + shift.clamp(-room, room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_stand_apart_inside_of_the_picture_as_told() {
        for index in 0..2000 {
            let scene = SceneSpec::draw(&mut Stream::new(Seed(index), 0, Purpose::Picture));
            let placed = place(&scene, Seed(index));
            for object in &placed {
                for centre in object.centre {
                    assert!(
                        centre >= object.extent() && centre <= 1.0 - object.extent(),
                        "{scene:?}"
                    );
                }
            }
            let (Some(second), [a, b]) = (scene.second, &placed[..]) else { continue };
            let (dx, dy) = (b.centre[0] - a.centre[0], b.centre[1] - a.centre[1]);
            assert_eq!(Relation::of_displacement(dx, dy), second.relation, "{scene:?}");
            let slant = dx.abs().min(dy.abs()) / dx.abs().max(dy.abs());
            assert!(slant <= SLANT + 1e-6, "{slant}");
            assert!(dx.abs().max(dy.abs()) > a.extent() + b.extent() + 0.99 * GAP, "{scene:?}");
        }
    }
}
