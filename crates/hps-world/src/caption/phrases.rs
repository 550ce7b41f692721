//! The words of captions: written by the writer, read by the parser.

use hps_core::Style;

use crate::vocabulary::{Background, Colour, Kind, Relation, Size};

/// Words for a kind.
pub(super) fn kind(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Circle => &["circle", "disc"],
        Kind::Square => &["square"],
        Kind::Triangle => &["triangle"],
        Kind::Star => &["star"],
        Kind::Heart => &["heart"],
        Kind::Cross => &["cross", "plus sign"],
    }
}

/// Words for a colour.
pub(super) fn colour(colour: Colour) -> &'static [&'static str] {
    match colour {
        Colour::Red => &["red"],
        Colour::Orange => &["orange"],
        Colour::Yellow => &["yellow"],
        Colour::Green => &["green"],
        Colour::Blue => &["blue"],
        Colour::Purple => &["purple", "violet"],
    }
}

/// Words for a size.
pub(super) fn size(size: Size) -> &'static [&'static str] {
    match size {
        Size::Small => &["small", "tiny", "little"],
        Size::Large => &["large", "big", "huge"],
    }
}

/// Words between the first object and the second.
pub(super) fn relation(relation: Relation) -> &'static [&'static str] {
    match relation {
        Relation::Above => &["above", "over"],
        Relation::Below => &["below", "under", "beneath"],
        Relation::LeftOf => &["left of", "to the left of"],
        Relation::RightOf => &["right of", "to the right of"],
    }
}

/// Words after "*second* with *first*" that say where the first object is.
pub(super) fn relation_to_it(relation: Relation) -> &'static [&'static str] {
    match relation {
        Relation::Above => &["above it"],
        Relation::Below => &["below it", "beneath it"],
        Relation::LeftOf => &["on its left", "to its left"],
        Relation::RightOf => &["on its right", "to its right"],
    }
}

/// Words for a background.
pub(super) fn background(background: Background) -> &'static [&'static str] {
    match background {
        Background::Sky => &["in the sky", "against a blue sky", "in front of clouds"],
        Background::Night => &["at night", "under a starry sky", "against the night sky"],
        Background::Meadow => &["on grass", "in a meadow", "in a green field"],
        Background::Sand => &["on sand", "in the desert", "on a sandy beach"],
        Background::Room => &["in a room", "indoors", "in an empty room"],
    }
}

/// Words before the objects that say the style.
pub(super) fn style_before(style: Style) -> &'static [&'static str] {
    match style {
        Style::Anime => &["anime drawing of", "anime screenshot of", "anime art of"],
        Style::ConceptArt => &["concept art of", "digital concept art of"],
        Style::Paintings => &["oil painting of", "painting of", "impressionist painting of"],
        Style::Photo => &["photo of", "photograph of", "dslr photo of"],
    }
}

/// Words after a comma that say the style.
pub(super) fn style_after(style: Style) -> &'static [&'static str] {
    match style {
        Style::Anime => &["anime style", "cel shaded anime", "anime key visual"],
        Style::ConceptArt => &["concept art", "digital concept art", "trending on artstation"],
        Style::Paintings => &["oil painting", "oil on canvas", "impressionist painting"],
        Style::Photo => &["photo", "35mm photograph", "dslr photography"],
    }
}

/// Words in front of a noun that say nothing.
pub(super) const ARTICLES: [&str; 4] = ["a", "an", "the", "one"];
