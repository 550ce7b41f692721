//! A rule as it stands in the data file, and its patterns.

use std::collections::BTreeMap;

use hps_core::{Error, ErrorKind, Result};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Memory that one compiled pattern may take; lists of names are long.
const SIZE_LIMIT: usize = 64 << 20;

/// What a pattern's space stands for.
const SPACE: &str = r"(?:[\s_-]+)";

/// Where a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleScope {
    /// The pattern is replaced, wherever it stands.
    Syntax,
    /// Brackets that programs read as weights; built in.
    Emphasis,
    /// Whole words are removed, wherever they stand.
    Phrase,
    /// A part between commas or full stops is removed if it has such words only.
    Segment,
}

/// One rule, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, in records.
    pub id: String,
    /// What several rules have in common: `syntax`, `quality`, `artist`, …
    pub category: String,
    /// Where it applies.
    pub scope: RuleScope,
    /// What it removes.
    pub about: String,
    /// Regular expressions in the dialect of the data file.
    #[serde(default)]
    pub pattern: Vec<String>,
    /// What a syntax rule puts in place.
    #[serde(default)]
    pub replace: String,
    /// Whether it leaves the first part of a prompt alone.
    #[serde(default)]
    pub not_first: bool,
    /// A prompt that it changes.
    pub before: String,
    /// What all rules together make of that prompt.
    pub after: String,
}

/// The data file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    #[serde(default)]
    pub(super) lists: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) rule: Vec<Rule>,
}

impl RuleFile {
    /// The file's pattern as a regular expression: lists filled in, spaces widened.
    pub(super) fn expand(&self, pattern: &str) -> String {
        let mut text = pattern.to_owned();
        // Lists may use lists, two levels deep.
        for _ in 0..3 {
            for (name, entries) in &self.lists {
                text = text.replace(&format!("{{{name}}}"), &format!("(?:{})", entries.join("|")));
            }
        }
        text.replace(' ', SPACE)
    }

    /// One regular expression for all patterns of a rule.
    pub(super) fn alternatives(&self, rule: &Rule) -> String {
        let patterns: Vec<String> =
            rule.pattern.iter().map(|pattern| format!("(?:{})", self.expand(pattern))).collect();
        format!("(?:{})", patterns.join("|"))
    }
}

/// Compiles a pattern of the rules `what`; case is ignored.
pub(super) fn compile(what: &str, pattern: &str) -> Result<Regex> {
    RegexBuilder::new(pattern).case_insensitive(true).size_limit(SIZE_LIMIT).build().map_err(
        |error| {
            Error::new(ErrorKind::InvalidConfig, format!("rule {what}: {error}")).with_hint(
                "See `prompts clean --list-rules` for the patterns of the bundled rules.",
            )
        },
    )
}
