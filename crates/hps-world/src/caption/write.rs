//! Claims in words.

use super::phrases;
use crate::claims::{Claims, CompanionClaim, ObjectClaim};
use crate::random::Stream;

/// One of the ways to say `claims`, lower case without a full stop.
pub(super) fn write(claims: &Claims, stream: &mut Stream) -> String {
    let objects = objects(claims, stream);
    let place = claims.background.map(|place| stream.pick(phrases::background(place)));
    let body = match place {
        Some(place) if stream.chance(0.2) => format!("{place}, {objects}"),
        Some(place) if stream.chance(0.25) => format!("{objects}, {place}"),
        Some(place) => format!("{objects} {place}"),
        None => objects,
    };
    let Some(style) = claims.style else { return body };
    // "photo of at night, a star" is nobody's English.
    if stream.chance(0.5) || place.is_some_and(|place| body.starts_with(place)) {
        return format!("{body}, {}", stream.pick(phrases::style_after(style)));
    }
    let phrase = stream.pick(phrases::style_before(style));
    if stream.chance(0.5) { with_article(phrase) + " " + &body } else { format!("{phrase} {body}") }
}

/// The objects and how they are related.
fn objects(claims: &Claims, stream: &mut Stream) -> String {
    // The order in which objects are named says nothing, so both orders are written.
    let claims = if stream.chance(0.5) { claims.swapped() } else { *claims };
    let first = object(&claims.first, stream);
    let Some(CompanionClaim { relation, object: other }) = claims.second else { return first };
    let second = object(&other, stream);
    if stream.chance(0.3) {
        let place = stream.pick(phrases::relation_to_it(relation));
        return format!("{second} with {first} {place}");
    }
    format!("{first} {} {second}", stream.pick(phrases::relation(relation)))
}

fn object(claim: &ObjectClaim, stream: &mut Stream) -> String {
    let size = claim.size.map(|size| stream.pick(phrases::size(size)));
    let colour = stream.pick(phrases::colour(claim.colour));
    let kind = stream.pick(phrases::kind(claim.kind));
    with_article(&match size {
        Some(size) => format!("{size} {colour} {kind}"),
        None => format!("{colour} {kind}"),
    })
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
