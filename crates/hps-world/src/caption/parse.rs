//! Words back to claims.

use std::sync::LazyLock;

use hps_core::{Error, ErrorKind, Result, Style};

use super::phrases;
use crate::claims::{Claims, CompanionClaim, ObjectClaim};
use crate::vocabulary::{Background, Colour, Kind, Relation, Size};

/// What a phrase means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Size(Size),
    Colour(Colour),
    Kind(Kind),
    Relation(Relation),
    RelationToIt(Relation),
    With,
    Background(Background),
    Style(Style),
}

/// Every phrase as words, longest first, so that "at night" is not looked for inside
/// of "against the night sky".
static LEXICON: LazyLock<Vec<(Vec<&'static str>, Token)>> = LazyLock::new(lexicon);

fn lexicon() -> Vec<(Vec<&'static str>, Token)> {
    let mut entries = vec![(vec!["with"], Token::With)];
    let mut add = |phrases: &[&'static str], token| {
        entries.extend(phrases.iter().map(|phrase| (phrase.split(' ').collect(), token)));
    };
    Size::ALL.iter().for_each(|&v| add(phrases::size(v), Token::Size(v)));
    Colour::ALL.iter().for_each(|&v| add(phrases::colour(v), Token::Colour(v)));
    Kind::ALL.iter().for_each(|&v| add(phrases::kind(v), Token::Kind(v)));
    Background::ALL.iter().for_each(|&v| add(phrases::background(v), Token::Background(v)));
    for &v in Relation::ALL {
        add(phrases::relation(v), Token::Relation(v));
        add(phrases::relation_to_it(v), Token::RelationToIt(v));
    }
    for v in Style::ALL {
        add(phrases::style_before(v), Token::Style(v));
        add(phrases::style_after(v), Token::Style(v));
    }
    entries.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
    entries
}

/// Reads a caption of this world.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] names the first word that no caption has, or what is
/// missing or said twice.
pub(super) fn parse(text: &str) -> Result<Claims> {
    let tokens = tokens(text)?;
    let mut background = None;
    let mut style = None;
    let mut rest = Vec::new();
    for token in tokens {
        match token {
            Token::Background(value) => set_once(&mut background, value, "backgrounds")?,
            Token::Style(value) => set_once(&mut style, value, "styles")?,
            other => rest.push(other),
        }
    }
    let mut rest = rest.into_iter().peekable();
    let mut first = object(&mut rest)?;
    let second = match rest.next() {
        None => None,
        Some(Token::Relation(relation)) => {
            Some(CompanionClaim { relation, object: object(&mut rest)? })
        }
        Some(Token::With) => {
            let other = std::mem::replace(&mut first, object(&mut rest)?);
            let Some(Token::RelationToIt(relation)) = rest.next() else {
                return Err(invalid("the caption does not say where the second object is"));
            };
            Some(CompanionClaim { relation, object: other })
        }
        Some(_) => return Err(invalid("the caption does not say how its objects are related")),
    };
    match rest.next() {
        None => Ok(Claims { first, second, background, style }),
        Some(_) => Err(invalid("the caption goes on after its second object")),
    }
}

fn set_once<T: PartialEq>(slot: &mut Option<T>, value: T, what: &str) -> Result<()> {
    if slot.as_ref().is_some_and(|known| *known != value) {
        return Err(invalid(format!("the caption names two {what}")));
    }
    *slot = Some(value);
    Ok(())
}

fn object(tokens: &mut std::iter::Peekable<impl Iterator<Item = Token>>) -> Result<ObjectClaim> {
    let size = match tokens.peek() {
        Some(&Token::Size(size)) => {
            tokens.next();
            Some(size)
        }
        _ => None,
    };
    match (tokens.next(), tokens.next()) {
        (Some(Token::Colour(colour)), Some(Token::Kind(kind))) => {
            Ok(ObjectClaim { kind, colour, size })
        }
        _ => Err(invalid("the caption lacks an object with a colour and a kind")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '.' | ';'))
        .filter(|word| !word.is_empty())
        .collect();
    let mut tokens = Vec::new();
    let mut rest = &words[..];
    while let Some(&word) = rest.first() {
        if let Some((phrase, token)) = LEXICON.iter().find(|(phrase, _)| rest.starts_with(phrase)) {
            tokens.push(*token);
            rest = &rest[phrase.len()..];
        } else if phrases::ARTICLES.contains(&word) {
            rest = &rest[1..];
        } else {
            return Err(invalid(format!("no caption of this world has the word '{word}'")));
        }
    }
    Ok(tokens)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
        .with_hint("A caption reads like 'a small red circle above a blue star at night, photo'.")
}
