//! Which captions belong to which split.
//!
//! Two rules, both by hash, so that no list has to be kept:
//!
//! * **Held out** are combinations: about one in twelve of the 144 triples of kind,
//!   colour and style (a purple heart as an oil painting, say). A caption belongs here
//!   if any of its objects, with its style, is such a triple. Every kind, colour and
//!   style, and every pair of kind and colour, is seen in training, only never together
//!   with that style. No picture of the other splits shows a held-out combination
//!   either, not even as the worse one of a pair.
//! * **Validation** takes one in twenty of the other captions by everything they claim,
//!   whatever the words: its captions are new, its combinations are not.
//!
//! The rest is **train**. Captions that name no style are never held out; the captions
//! this crate writes always name one.

use std::fmt;
use std::str::FromStr;

use hps_core::{Error, ErrorKind, Style};
use serde::{Deserialize, Serialize};

use crate::claims::Claims;
use crate::hash::fnv1a;
use crate::vocabulary::{Colour, Kind};

/// A share of all captions that does not overlap with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Captions to learn from.
    Train,
    /// New captions of combinations that are in [`Split::Train`] too.
    Validation,
    /// Captions with a combination of kind, colour and style that is nowhere else.
    HeldOut,
}

impl Split {
    /// Every split.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::HeldOut];

    /// The split that `claims` belong to, the same for every wording.
    pub fn of(claims: &Claims) -> Self {
        let unseen = claims.style.is_some_and(|style| {
            claims.objects().any(|object| is_held_out(object.kind, object.colour, style))
        });
        match unseen {
            true => Split::HeldOut,
            false if claims.fingerprint().is_multiple_of(20) => Split::Validation,
            false => Split::Train,
        }
    }

    /// The name used in files and options.
    pub fn id(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::HeldOut => "held-out",
        }
    }
}

/// Whether objects of this kind and colour are never drawn in this style for training.
pub fn is_held_out(kind: Kind, colour: Colour, style: Style) -> bool {
    let key = format!("held out: {kind} {colour} {style}");
    fnv1a(key.as_bytes()).is_multiple_of(12)
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Split::ALL.into_iter().find(|split| split.id() == text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("unknown split '{text}'"))
                .with_hint("The splits are train, validation and held-out.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_held_out_combination_is_seen_in_training() {
        let mut held_out = 0;
        for &kind in Kind::ALL {
            for &colour in Colour::ALL {
                let styles = Style::ALL.iter().filter(|&&s| is_held_out(kind, colour, s)).count();
                assert!(styles <= 2, "{colour} {kind}");
                held_out += styles;
            }
        }
        assert!((8..=18).contains(&held_out), "{held_out}");
        let count = |test: &dyn Fn(Kind, Colour, Style) -> bool| {
            let triples = Kind::ALL.iter().flat_map(|&kind| {
                let pairs = Colour::ALL.iter().map(move |&colour| (kind, colour));
                pairs.flat_map(|(kind, colour)| Style::ALL.map(|style| (kind, colour, style)))
            });
            triples.filter(|&(k, c, s)| is_held_out(k, c, s) && test(k, c, s)).count()
        };
        for style in Style::ALL {
            assert!((1..=8).contains(&count(&|_, _, s| s == style)), "{style}");
        }
        for &kind in Kind::ALL {
            assert!(count(&|k, _, _| k == kind) <= 6, "{kind}");
        }
    }
}
