//! What a picture is asked for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// The text a picture is generated from and scored against.
///
/// Cloning is cheap. The text is kept exactly as given: cleaning belongs to the
/// tokenizer of each model, and records must show what the user typed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Prompt(Arc<str>);

impl Prompt {
    /// A prompt of exactly this text. An empty prompt is allowed.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Prompt(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A short lower-case form for file names: letters and digits of any script with
    /// single dashes, at most `max` bytes, `empty` when nothing is left.
    pub fn slug(&self, max: usize) -> String {
        let mut slug = String::new();
        for c in self.0.chars().flat_map(char::to_lowercase) {
            let c = if c.is_alphanumeric() { c } else { '-' };
            if c == '-' && (slug.is_empty() || slug.ends_with('-')) {
                continue;
            }
            if slug.len() + c.len_utf8() > max {
                break;
            }
            slug.push(c);
        }
        let slug = slug.trim_end_matches('-');
        if slug.is_empty() { "empty".to_owned() } else { slug.to_owned() }
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Prompt::new(text)
    }
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Prompt::new(text)
    }
}

impl From<Prompt> for String {
    fn from(prompt: Prompt) -> Self {
        prompt.0.as_ref().to_owned()
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the four styles of the HPS v2 benchmark (paper §4.2).
///
/// The identifier is used in files and options, the title in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// `anime`, shown as "Animation".
    Anime,
    /// `concept-art`, shown as "Concept-art".
    ConceptArt,
    /// `paintings`, shown as "Painting".
    Paintings,
    /// `photo`, shown as "Photo".
    Photo,
}

impl Style {
    /// All styles in the order of the paper's table.
    pub const ALL: [Style; 4] = [Style::Anime, Style::ConceptArt, Style::Paintings, Style::Photo];

    /// The identifier used in files, records and options.
    pub fn id(self) -> &'static str {
        match self {
            Style::Anime => "anime",
            Style::ConceptArt => "concept-art",
            Style::Paintings => "paintings",
            Style::Photo => "photo",
        }
    }

    /// The name used in tables.
    pub fn title(self) -> &'static str {
        match self {
            Style::Anime => "Animation",
            Style::ConceptArt => "Concept-art",
            Style::Paintings => "Painting",
            Style::Photo => "Photo",
        }
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Style {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Style::ALL.into_iter().find(|style| style.id() == text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("unknown style '{text}'"))
                .with_hint("The styles are anime, concept-art, paintings and photo.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_safe_file_names() {
        assert_eq!(Prompt::from("A red fox, in the SNOW!").slug(40), "a-red-fox-in-the-snow");
        assert_eq!(Prompt::from("../../etc/passwd").slug(40), "etc-passwd");
        assert_eq!(Prompt::from("数码绘画 🦊").slug(40), "数码绘画");
        assert_eq!(Prompt::from("数码绘画").slug(8), "数码");
        assert_eq!(Prompt::from("!?").slug(8), "empty");
        assert_eq!(Prompt::from("a very long prompt indeed").slug(6), "a-very");
    }

    #[test]
    fn style_ids_round_trip() {
        for style in Style::ALL {
            assert_eq!(style.id().parse::<Style>().ok(), Some(style));
        }
        assert!("Anime".parse::<Style>().is_err());
    }
}
