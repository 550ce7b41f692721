//! What a caption claims about its picture.

use hps_core::Style;
use serde::{Deserialize, Serialize};

use crate::hash::fnv1a;
use crate::random::Stream;
use crate::scene::SceneSpec;
use crate::vocabulary::{Background, Colour, Kind, Relation, Size};

/// Everything a caption says. What it leaves out may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claims {
    /// The first, or only, object.
    pub first: ObjectClaim,
    /// The second object and where the first one is seen from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<CompanionClaim>,
    /// Where it takes place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// How it is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
}

/// What a caption says about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectClaim {
    /// What it is.
    pub kind: Kind,
    /// Its colour.
    pub colour: Colour,
    /// How large it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
}

/// What a caption says about a second object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CompanionClaim {
    /// Where the first object is, seen from this one.
    pub relation: Relation,
    /// The second object.
    pub object: ObjectClaim,
}

impl Claims {
    /// The claimed objects in the order in which they are numbered, one or two.
    pub fn objects(&self) -> impl Iterator<Item = ObjectClaim> + use<> {
        std::iter::once(self.first).chain(self.second.map(|second| second.object))
    }

    /// Whether everything claimed is true of `scene`, whose objects may be numbered
    /// the other way round.
    pub fn fit(&self, scene: &SceneSpec) -> bool {
        self.background.is_none_or(|background| background == scene.background)
            && self.style.is_none_or(|style| style == scene.style)
            && (self.objects_fit(scene) || self.swapped().objects_fit(scene))
    }

    /// The same claims with the objects numbered the other way round.
    #[must_use]
    pub fn swapped(&self) -> Self {
        let Some(second) = self.second else { return *self };
        let relation = second.relation.inverse();
        let companion = CompanionClaim { relation, object: self.first };
        Claims { first: second.object, second: Some(companion), ..*self }
    }

    /// Equal for claims that say the same: a red star above a blue one, and a blue star
    /// below a red one. Vertical relations become above, horizontal ones left of.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self.second.map(|second| second.relation) {
            Some(Relation::Below | Relation::RightOf) => self.swapped(),
            _ => *self,
        }
    }

    /// A number that is equal for claims that say the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        let claims = self.canonical();
        let mut bytes = vec![claims.second.map_or(0, |second| second.relation as u8 + 1)];
        for object in claims.objects() {
            bytes.extend([object.kind as u8, object.colour as u8]);
            bytes.push(object.size.map_or(0, |size| size as u8 + 1));
        }
        bytes.push(claims.background.map_or(0, |background| background as u8 + 1));
        bytes.push(claims.style.map_or(0, |style| style as u8 + 1));
        fnv1a(&bytes)
    }

    fn objects_fit(&self, scene: &SceneSpec) -> bool {
        let relation = self.second.map(|second| second.relation);
        relation == scene.second.map(|second| second.relation)
            && self.objects().zip(scene.objects()).all(|(claim, object)| {
                claim.kind == object.kind
                    && claim.colour == object.colour
                    && claim.size.is_none_or(|size| size == object.size)
            })
    }
}

impl From<SceneSpec> for Claims {
    /// Everything there is to say about a scene.
    fn from(scene: SceneSpec) -> Self {
        let claim = |object: crate::ObjectSpec| ObjectClaim {
            kind: object.kind,
            colour: object.colour,
            size: Some(object.size),
        };
        let companion = |second: crate::Companion| CompanionClaim {
            relation: second.relation,
            object: claim(second.object),
        };
        Claims {
            first: claim(scene.first),
            second: scene.second.map(companion),
            background: Some(scene.background),
            style: Some(scene.style),
        }
    }
}

impl Claims {
    /// What a caption might say about `scene`: kinds, colours, the relation and the
    /// style always, a size in 3 of 5 cases, the background in 3 of 4.
    pub(crate) fn draw(scene: SceneSpec, stream: &mut Stream) -> Self {
        let mut claims = Claims::from(scene);
        if stream.chance(0.4) {
            claims.first.size = None;
        }
        if let Some(second) = &mut claims.second
            && stream.chance(0.4)
        {
            second.object.size = None;
        }
        if stream.chance(0.25) {
            claims.background = None;
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use hps_core::Seed;

    use super::*;
    use crate::random::Purpose;

    #[test]
    fn claims_fit_their_scene_however_objects_are_numbered() {
        for index in 0..500 {
            let mut stream = Stream::new(Seed(1), index, Purpose::Picture);
            let scene = SceneSpec::draw(&mut stream);
            let claims = Claims::draw(scene, &mut stream);
            assert!(claims.fit(&scene) && claims.swapped().fit(&scene));
            assert_eq!(claims.canonical(), claims.swapped().canonical());
            assert_eq!(claims.fingerprint(), claims.swapped().fingerprint());
            let other = SceneSpec::draw(&mut stream);
            assert_eq!(Claims::from(scene).fit(&other), scene == other);
        }
    }
}
