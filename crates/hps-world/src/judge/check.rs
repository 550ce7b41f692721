//! Which claims of a caption are true of a picture.

use serde::{Deserialize, Serialize};

use super::reading::{ObjectReading, Reading};
use crate::claims::{Claims, ObjectClaim};
use crate::fault::Attribute;
use crate::vocabulary::Relation;

/// Whether one claim is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What the claim is about.
    pub attribute: Attribute,
    /// The object it is about, numbered from 0 as in the claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<u8>,
    /// What is claimed.
    pub claimed: String,
    /// What the picture shows instead or as well; `None` where there is no such object.
    pub found: Option<String>,
    /// Whether the claim is true.
    pub correct: bool,
}

/// Checks everything that `claims` say about a picture, and nothing else.
///
/// `claims` are those of a caption, or a whole scene by [`Claims::from`]. The first
/// verdict is about the number of objects. Claimed objects are matched with those that
/// were read such that most claims about them are true.
pub fn check(reading: &Reading, claims: &Claims) -> Vec<Verdict> {
    let claimed: Vec<ObjectClaim> = claims.objects().collect();
    let found: Vec<&ObjectReading> = matched(reading, claims, &claimed);
    let (count, seen) = (claimed.len(), reading.objects.len());
    let mut verdicts = vec![verdict(Attribute::Count, None, &count, Some(&seen), count == seen)];
    for (index, claim) in claimed.iter().enumerate() {
        object_verdicts(&mut verdicts, index, claim, found.get(index).copied());
    }
    if let Some(second) = claims.second {
        let relation = relation(&found);
        let correct = relation == Some(second.relation);
        verdicts.push(verdict(
            Attribute::Relation,
            None,
            &second.relation,
            relation.as_ref(),
            correct,
        ));
    }
    if let Some(background) = claims.background {
        let (found, correct) = (&reading.background, background == reading.background);
        verdicts.push(verdict(Attribute::Background, None, &background, Some(found), correct));
    }
    if let Some(style) = claims.style {
        let (found, correct) = (&reading.style, style == reading.style);
        verdicts.push(verdict(Attribute::Style, None, &style, Some(found), correct));
    }
    verdicts
}

/// What was read for each claimed object, as many as there are.
fn matched<'a>(
    reading: &'a Reading,
    claims: &Claims,
    claimed: &[ObjectClaim],
) -> Vec<&'a ObjectReading> {
    // Small regions beyond the claimed number are most likely not what is meant.
    let objects: Vec<&ObjectReading> = reading.objects.iter().take(claimed.len().max(2)).collect();
    let orders: Vec<Vec<&ObjectReading>> = match (claimed.len(), &objects[..]) {
        (1, [a, b]) => vec![vec![a], vec![b]],
        (_, [a, b]) => vec![vec![a, b], vec![b, a]],
        _ => vec![objects],
    };
    let score = |order: &Vec<&ObjectReading>| {
        let attributes: usize =
            claimed.iter().zip(order).map(|(claim, it)| agreement(claim, it)).sum();
        let related = claims.second.is_some_and(|it| relation(order) == Some(it.relation));
        // The relation decides only between equals.
        2 * attributes + usize::from(related)
    };
    let mut best: Option<(usize, Vec<&ObjectReading>)> = None;
    for order in orders {
        let score = score(&order);
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, order));
        }
    }
    best.map_or_else(Vec::new, |(_, order)| order)
}

fn agreement(claim: &ObjectClaim, object: &ObjectReading) -> usize {
    usize::from(claim.kind == object.kind)
        + usize::from(claim.colour == object.colour)
        + usize::from(claim.size == Some(object.size))
}

fn relation(objects: &[&ObjectReading]) -> Option<Relation> {
    let [first, second] = objects else { return None };
    let [dx, dy] = [0, 1].map(|axis| second.centre[axis] - first.centre[axis]);
    Some(Relation::of_displacement(dx, dy))
}

fn object_verdicts(
    verdicts: &mut Vec<Verdict>,
    index: usize,
    claim: &ObjectClaim,
    found: Option<&ObjectReading>,
) {
    let object = Some(index as u8);
    let (kind, colour) = (found.map(|it| it.kind), found.map(|it| it.colour));
    verdicts.push(verdict(
        Attribute::Kind,
        object,
        &claim.kind,
        kind.as_ref(),
        kind == Some(claim.kind),
    ));
    verdicts.push(verdict(
        Attribute::Colour,
        object,
        &claim.colour,
        colour.as_ref(),
        colour == Some(claim.colour),
    ));
    if let Some(claimed) = claim.size {
        let size = found.map(|it| it.size);
        let correct = size == Some(claimed);
        verdicts.push(verdict(Attribute::Size, object, &claimed, size.as_ref(), correct));
    }
}

fn verdict<T: ToString>(
    attribute: Attribute,
    object: Option<u8>,
    claimed: &T,
    found: Option<&T>,
    correct: bool,
) -> Verdict {
    let found = found.map(ToString::to_string);
    Verdict { attribute, object, claimed: claimed.to_string(), found, correct }
}
