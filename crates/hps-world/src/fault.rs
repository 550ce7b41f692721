//! What is wrong with a picture.

use hps_core::Style;
use serde::{Deserialize, Serialize};

use crate::claims::Claims;
use crate::damage::Damage;
use crate::random::Stream;
use crate::scene::SceneSpec;
use crate::vocabulary::{Background, Colour, Kind, Relation, Size};

/// Something a caption can claim about a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// How many objects there are.
    Count,
    /// What an object is.
    Kind,
    /// The colour of an object.
    Colour,
    /// How large an object is.
    Size,
    /// Where the first object is, seen from the second.
    Relation,
    /// Where it takes place.
    Background,
    /// How it is drawn.
    Style,
}

impl Attribute {
    /// Every attribute.
    pub const ALL: [Attribute; 7] = [
        Attribute::Count,
        Attribute::Kind,
        Attribute::Colour,
        Attribute::Size,
        Attribute::Relation,
        Attribute::Background,
        Attribute::Style,
    ];

    /// The name used in files.
    pub fn id(self) -> &'static str {
        match self {
            Attribute::Count => "count",
            Attribute::Kind => "kind",
            Attribute::Colour => "colour",
            Attribute::Size => "size",
            Attribute::Relation => "relation",
            Attribute::Background => "background",
            Attribute::Style => "style",
        }
    }
}

/// One thing that is wrong with a picture. Objects are numbered from 0 as in the
/// caption's [`Claims`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// An attribute has another value than the caption claims.
    Wrong {
        /// The attribute; never the count.
        attribute: Attribute,
        /// The object it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<u8>,
    },
    /// An object is not there.
    Missing {
        /// The object.
        object: u8,
    },
    /// The picture was spoiled after it was drawn.
    Damaged {
        /// In which way.
        damage: Damage,
        /// How much, from 1 to [`crate::MAX_LEVEL`].
        level: u8,
    },
}

impl Fault {
    /// The attribute or the damage, as one word: `colour`, `missing`, `blur`.
    pub fn id(&self) -> &'static str {
        match self {
            Fault::Wrong { attribute, .. } => attribute.id(),
            Fault::Missing { .. } => "missing",
            Fault::Damaged { damage, .. } => damage.id(),
        }
    }
}

/// Every attribute that `claims` says something about, with its object; not the count.
pub(crate) fn claimed(claims: &Claims) -> Vec<(Attribute, Option<u8>)> {
    let mut claimed = Vec::new();
    for (index, object) in (0..).zip(claims.objects()) {
        claimed.push((Attribute::Kind, Some(index)));
        claimed.push((Attribute::Colour, Some(index)));
        if object.size.is_some() {
            claimed.push((Attribute::Size, Some(index)));
        }
    }
    if claims.second.is_some() {
        claimed.push((Attribute::Relation, None));
    }
    if claims.background.is_some() {
        claimed.push((Attribute::Background, None));
    }
    if claims.style.is_some() {
        claimed.push((Attribute::Style, None));
    }
    claimed
}

/// Gives one attribute of `scene` another value, evenly drawn; nothing happens where
/// the scene has no such attribute.
pub(crate) fn change(
    scene: &mut SceneSpec,
    attribute: Attribute,
    object: Option<u8>,
    stream: &mut Stream,
) {
    match (attribute, object.and_then(|index| scene.object_mut(usize::from(index)))) {
        (Attribute::Kind, Some(object)) => object.kind = other(object.kind, Kind::ALL, stream),
        (Attribute::Colour, Some(object)) => {
            object.colour = other(object.colour, Colour::ALL, stream);
        }
        (Attribute::Size, Some(object)) => object.size = other(object.size, Size::ALL, stream),
        (Attribute::Relation, _) => {
            if let Some(second) = &mut scene.second {
                second.relation = other(second.relation, Relation::ALL, stream);
            }
        }
        (Attribute::Background, _) => {
            scene.background = other(scene.background, Background::ALL, stream);
        }
        (Attribute::Style, _) => scene.style = other(scene.style, &Style::ALL, stream),
        _ => {}
    }
}

/// A value other than `old`.
fn other<T: Copy + PartialEq>(old: T, all: &[T], stream: &mut Stream) -> T {
    loop {
        let new = stream.pick(all);
        if new != old {
            return new;
        }
    }
}
