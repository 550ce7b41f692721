//! Captions: the words of a scene, and back.
//!
//! ```text
//! caption = [place ","] objects [[","] place] ["," style]
//!         | [article] style "of" objects [[","] place]
//! objects = object | object relation object | object "with" object relation-to-it
//! object  = article [size] colour kind
//! ```
//!
//! Every slot has several phrases, style words as people write them in prompts. Size,
//! place and style may be missing, and the objects may be named in either order.

mod parse;
mod phrases;
mod write;

use std::str::FromStr;

use hps_core::{Error, Prompt, Result};

use crate::claims::Claims;
use crate::random::Stream;

/// A text and what it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// The text, lower case, without a full stop where this crate wrote it.
    pub text: Prompt,
    /// What the text claims.
    pub claims: Claims,
}

impl Caption {
    /// One of the ways to say `claims`.
    pub(crate) fn write(claims: Claims, stream: &mut Stream) -> Self {
        Caption { text: Prompt::from(write::write(&claims, stream)), claims }
    }
}

impl FromStr for Caption {
    type Err = Error;

    /// Reads a caption; case, commas and repeated spaces do not matter.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidInput`] when a word is unknown or an object or
    /// relation is incomplete.
    fn from_str(text: &str) -> Result<Self> {
        Ok(Caption { text: Prompt::from(text), claims: parse::parse(text)? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use hps_core::{Seed, Style};
    use proptest::prelude::*;

    use super::*;
    use crate::random::Purpose;
    use crate::scene::SceneSpec;
    use crate::vocabulary::{Background, Colour, Kind, Relation, Size};

    fn drawn(seed: u64) -> Caption {
        let mut stream = Stream::new(Seed(seed), 0, Purpose::Picture);
        let scene = SceneSpec::draw(&mut stream);
        let claims = Claims::draw(scene, &mut stream);
        Caption::write(claims, &mut stream)
    }

    proptest! {
        #[test]
        fn every_caption_reads_back(seed: u64) {
            let caption = drawn(seed);
            let read: Caption = caption.text.as_str().parse().unwrap();
            prop_assert_eq!(read.claims.canonical(), caption.claims.canonical(), "{}", caption.text);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(?:[a-z]{1,8} |a |red |star |above |with |, |\\PC){0,12}") {
            let _ = text.parse::<Caption>();
        }
    }

    #[test]
    fn a_caption_in_full_and_in_part() {
        let text = "A small red circle above a large blue square on grass, oil painting.";
        let claims = text.parse::<Caption>().unwrap().claims;
        assert_eq!((claims.first.kind, claims.first.colour), (Kind::Circle, Colour::Red));
        assert_eq!(claims.first.size, Some(Size::Small));
        let second = claims.second.unwrap();
        assert_eq!((second.relation, second.object.kind), (Relation::Above, Kind::Square));
        assert_eq!(claims.background, Some(Background::Meadow));
        assert_eq!(claims.style, Some(Style::Paintings));

        let claims = "a blue star with a red star on its left".parse::<Caption>().unwrap().claims;
        assert_eq!((claims.first.colour, claims.first.size), (Colour::Red, None));
        assert_eq!(claims.second.unwrap().relation, Relation::LeftOf);
        assert_eq!((claims.background, claims.style), (None, None));
    }

    #[test]
    fn wrong_captions_say_what_is_wrong() {
        for (text, part) in [
            ("a red fox in the snow", "'fox'"),
            ("a red", "lacks an object"),
            ("", "lacks an object"),
            ("a red star a blue star", "how its objects are related"),
            ("a red star above", "lacks an object"),
            ("a red star with a blue star", "where the second object is"),
            ("a red star above a blue star above a red star", "goes on"),
            ("photo of a red star, oil painting", "two styles"),
            ("a red star at night on grass", "two backgrounds"),
        ] {
            let message = text.parse::<Caption>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_scene_is_told_in_many_ways() {
        let scene = SceneSpec::draw(&mut Stream::new(Seed(4), 0, Purpose::Picture));
        let texts: HashSet<_> = (0..200)
            .map(|index| {
                let mut stream = Stream::new(Seed(5), index, Purpose::Picture);
                Caption::write(Claims::from(scene), &mut stream).text
            })
            .collect();
        assert!(texts.len() > 50, "{}", texts.len());
    }
}
