//! The closed vocabularies a scene is described with.
//!
//! A style is a word of the benchmark, [`hps_core::Style`]; everything else is here.

use std::fmt;
use std::str::FromStr;

use hps_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// An enumeration whose values have an identifier for files and messages.
macro_rules! vocabulary {
    (
        $(#[$doc:meta])* $name:ident, $what:literal,
        { $( $(#[$value_doc:meta])* $value:ident = $id:literal ),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $( $(#[$value_doc])* $value ),+ }

        impl $name {
            /// Every value, in the order of their numbers.
            pub const ALL: &'static [$name] = &[$( $name::$value ),+];

            /// The identifier used in files.
            pub fn id(self) -> &'static str {
                match self { $( $name::$value => $id ),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.id())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                $name::ALL.iter().copied().find(|value| value.id() == text).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidInput, format!("unknown {} '{text}'", $what))
                        .with_hint(concat!("It is one of:", $( " ", $id ),+, "."))
                })
            }
        }
    };
}

vocabulary!(
    /// What an object is.
    Kind, "object",
    {
        /// A disc.
        Circle = "circle",
        /// A square, nearly upright.
        Square = "square",
        /// An equilateral triangle that points up.
        Triangle = "triangle",
        /// A star of five points.
        Star = "star",
        /// A heart.
        Heart = "heart",
        /// A plus sign.
        Cross = "cross",
    }
);

vocabulary!(
    /// The colour of an object.
    Colour, "colour",
    {
        /// Red.
        Red = "red",
        /// Orange.
        Orange = "orange",
        /// Yellow.
        Yellow = "yellow",
        /// A bluish green, darker than any meadow.
        Green = "green",
        /// Blue, darker than the sky and lighter than the night.
        Blue = "blue",
        /// Purple.
        Purple = "purple",
    }
);

vocabulary!(
    /// How large an object is.
    Size, "size",
    {
        /// A radius of about a tenth of the picture's side.
        Small = "small",
        /// A radius of about a sixth of the picture's side.
        Large = "large",
    }
);

vocabulary!(
    /// Where the first object is, seen from the second.
    Relation, "relation",
    {
        /// Higher up.
        Above = "above",
        /// Lower down.
        Below = "below",
        /// Further left.
        LeftOf = "left-of",
        /// Further right.
        RightOf = "right-of",
    }
);

vocabulary!(
    /// Where a scene takes place.
    Background, "background",
    {
        /// A blue sky with clouds.
        Sky = "sky",
        /// A night sky with stars.
        Night = "night",
        /// A meadow under a pale sky.
        Meadow = "meadow",
        /// Sand under a warm sky.
        Sand = "sand",
        /// A room with a floor of boards.
        Room = "room",
    }
);

impl Relation {
    /// The same fact told from the other object: above becomes below.
    pub fn inverse(self) -> Self {
        match self {
            Relation::Above => Relation::Below,
            Relation::Below => Relation::Above,
            Relation::LeftOf => Relation::RightOf,
            Relation::RightOf => Relation::LeftOf,
        }
    }

    /// The relation of a point to another one that is displaced from it by
    /// `(dx, dy)`, in pixels with y downwards: the larger of the two distances decides.
    pub fn of_displacement(dx: f32, dy: f32) -> Self {
        match (dy.abs() >= dx.abs(), dx >= 0.0, dy >= 0.0) {
            (true, _, true) => Relation::Above,
            (true, _, false) => Relation::Below,
            (false, true, _) => Relation::LeftOf,
            (false, false, _) => Relation::RightOf,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn identifiers_are_those_of_serde() {
        for &relation in Relation::ALL {
            assert_eq!(serde_json::to_value(relation).unwrap(), relation.id());
            assert_eq!(relation.id().parse::<Relation>().unwrap(), relation);
        }
        for &kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.id());
        }
        let error = "mauve".parse::<Colour>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.hint().unwrap().contains("purple"));
    }

    #[test]
    fn displacement_decides_the_relation() {
        assert_eq!(Relation::of_displacement(1.0, 5.0), Relation::Above);
        assert_eq!(Relation::of_displacement(-1.0, -5.0), Relation::Below);
        assert_eq!(Relation::of_displacement(5.0, -1.0), Relation::LeftOf);
        assert_eq!(Relation::of_displacement(-5.0, 1.0), Relation::RightOf);
        for &relation in Relation::ALL {
            assert_eq!(relation.inverse().inverse(), relation);
        }
    }
}
