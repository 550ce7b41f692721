//! What a picture shows.

use hps_core::Style;
use serde::{Deserialize, Serialize};

use crate::random::Stream;
use crate::vocabulary::{Background, Colour, Kind, Relation, Size};

/// One object of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectSpec {
    /// What it is.
    pub kind: Kind,
    /// Its colour.
    pub colour: Colour,
    /// How large it is.
    pub size: Size,
}

/// The second object of a scene, and where the first one is seen from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Companion {
    /// Where the first object is, seen from this one.
    pub relation: Relation,
    /// The second object.
    pub object: ObjectSpec,
}

/// Everything there is to say about a scene; a picture adds only chance: where
/// exactly objects stand, clouds, brush strokes, grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SceneSpec {
    /// The first, or only, object.
    pub first: ObjectSpec,
    /// The second object, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Companion>,
    /// Where it takes place.
    pub background: Background,
    /// How it is drawn.
    pub style: Style,
}

impl SceneSpec {
    /// The objects in the order in which they are numbered, one or two.
    pub fn objects(&self) -> impl Iterator<Item = ObjectSpec> + use<> {
        std::iter::once(self.first).chain(self.second.map(|second| second.object))
    }

    /// Object `index`, for changing it.
    pub(crate) fn object_mut(&mut self, index: usize) -> Option<&mut ObjectSpec> {
        match index {
            0 => Some(&mut self.first),
            1 => self.second.as_mut().map(|second| &mut second.object),
            _ => None,
        }
    }

    /// Whether its objects can be told apart without their sizes, which a caption may
    /// leave out: they differ in kind or colour.
    pub fn is_unambiguous(&self) -> bool {
        self.second.is_none_or(|second| {
            (second.object.kind, second.object.colour) != (self.first.kind, self.first.colour)
        })
    }

    /// An unambiguous scene with every attribute drawn evenly; 3 of 5 have two objects.
    pub(crate) fn draw(stream: &mut Stream) -> Self {
        loop {
            let first = ObjectSpec::draw(stream);
            let second = stream.chance(0.6).then(|| Companion {
                relation: stream.pick(Relation::ALL),
                object: ObjectSpec::draw(stream),
            });
            let background = stream.pick(Background::ALL);
            let scene = SceneSpec { first, second, background, style: stream.pick(&Style::ALL) };
            if scene.is_unambiguous() {
                return scene;
            }
        }
    }
}

impl ObjectSpec {
    fn draw(stream: &mut Stream) -> Self {
        ObjectSpec {
            kind: stream.pick(Kind::ALL),
            colour: stream.pick(Colour::ALL),
            size: stream.pick(Size::ALL),
        }
    }
}
