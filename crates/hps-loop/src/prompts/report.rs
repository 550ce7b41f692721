//! What is said about the words of a collection of prompts.

use hps_core::{Error, ErrorKind, Result};
use hps_train::prompts::{
    Entry, NgramCounts, StyleWord, StyleWordOptions, plain_captions, style_words,
};
use serde::Serialize;

use super::record::CleanRecord;

/// The words of prompts that are over-represented against plain text.
#[derive(Clone, Debug, Serialize)]
pub struct StyleReport {
    /// Prompts that were counted.
    pub prompts: u64,
    /// Lines that are no prompts.
    pub broken: u64,
    /// Words in the prompts.
    pub words: u64,
    /// Plain captions that they were compared with.
    pub plain_prompts: u64,
    /// Words in those.
    pub plain_words: u64,
    /// The n-grams, the most over-represented first.
    pub ngrams: Vec<StyleWord>,
}

impl StyleReport {
    /// Compares `entries` with `plain`, or with the bundled captions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if either has no prompt that can be read.
    pub fn new(
        entries: &[Entry],
        plain: Option<&[Entry]>,
        options: StyleWordOptions,
    ) -> Result<Self> {
        let counts = NgramCounts::of(texts(entries));
        let plain = match plain {
            Some(entries) => NgramCounts::of(texts(entries)),
            None => bundled(),
        };
        if counts.prompts() == 0 || plain.prompts() == 0 {
            let message = "there is no prompt that can be read";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(StyleReport {
            prompts: counts.prompts(),
            broken: entries.len() as u64 - counts.prompts(),
            words: counts.total(1),
            plain_prompts: plain.prompts(),
            plain_words: plain.total(1),
            ngrams: style_words(&counts, &plain, options),
        })
    }
}

fn texts(entries: &[Entry]) -> impl Iterator<Item = &str> {
    entries.iter().filter_map(|entry| entry.prompt.as_deref().ok())
}

fn bundled() -> NgramCounts {
    NgramCounts::of(plain_captions().iter().map(String::as_str))
}

/// A style word before and after cleaning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CleanedWord {
    /// The words.
    pub ngram: String,
    /// Prompts that had it.
    pub before: u64,
    /// Prompts that still have it.
    pub after: u64,
    /// How over-represented it was against the bundled captions, in standard
    /// deviations.
    pub z: f64,
}

/// Below this a word is no style word.
const LEAST_Z: f64 = 1.0;

/// The `top` most over-represented n-grams of the prompts before they were cleaned, and
/// what is left of them. Only prompts that could be cleaned count.
///
/// An n-gram is left out if one above it contains it, or is part of it, and is about as
/// common: "trending on" says nothing beside "trending on artstation".
pub fn cleaned_words(records: &[CleanRecord], top: usize) -> Vec<CleanedWord> {
    let pairs = || records.iter().filter_map(|r| r.prompt.as_deref().zip(r.original.as_deref()));
    let before = NgramCounts::of(pairs().map(|(_, original)| original));
    let after = NgramCounts::of(pairs().map(|(prompt, _)| prompt));
    let mut words: Vec<CleanedWord> = Vec::new();
    for word in style_words(&before, &bundled(), StyleWordOptions::default()) {
        let count = before.get(&word.ngram).prompts;
        let says_the_same = |other: &CleanedWord| {
            let nested = contains(&other.ngram, &word.ngram) || contains(&word.ngram, &other.ngram);
            // At least three of four prompts have both.
            nested && 4 * count.min(other.before) >= 3 * count.max(other.before)
        };
        if words.len() == top || word.log_odds.z < LEAST_Z {
            break;
        }
        if !words.iter().any(says_the_same) {
            let left = after.get(&word.ngram).prompts;
            let z = word.log_odds.z;
            words.push(CleanedWord { ngram: word.ngram, before: count, after: left, z });
        }
    }
    words
}

/// Whether the words of `part` are among those of `ngram`, in this order.
fn contains(ngram: &str, part: &str) -> bool {
    format!(" {ngram} ").contains(&format!(" {part} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_longer_ones_are_left_out() {
        assert!(contains("trending on artstation", "on artstation"));
        assert!(!contains("trending on artstation", "art"));
        let record = |index| CleanRecord {
            original: Some("a fox, trending on artstation".to_owned()),
            prompt: Some("a fox".to_owned()),
            ..CleanRecord::new(index, index + 1, "m")
        };
        let words = cleaned_words(&(0..20).map(record).collect::<Vec<_>>(), 10);
        let about = |part: &str| words.iter().filter(|w| w.ngram.contains(part)).count();
        assert_eq!(about("artstation"), 1, "{words:?}");
        assert!(words.iter().any(|w| w.ngram.contains("artstation") && w.after == 0));
    }
}
