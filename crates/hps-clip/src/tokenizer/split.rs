//! Splitting a prompt into the words that are encoded on their own.

use std::ops::Range;

use regex::Regex;

use super::Dialect;
use super::clean;

/// Contractions, runs of letters, single digits, runs of anything else.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+";

/// open_clip's pattern ignores case. That matters to the contractions (`'ſ` is
/// one), and to U+0345, an iota below: as its upper case is a letter, it is not
/// "anything else", but neither is it a letter, so it is left out.
const WORDS_IGNORING_CASE: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}\x{345}]+";

/// A token that no text but its literal name gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Start,
    End,
}

/// A word of [`Split::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    /// Set if the word is a special token rather than text.
    pub(super) special: Option<Special>,
}

/// A cleaned prompt and its words.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
}

/// Cleans and splits prompts the way one dialect does.
#[derive(Clone, Debug)]
pub(super) struct Splitter {
    dialect: Dialect,
    special: Regex,
    words: Regex,
    special_or_word: Regex,
}

impl Splitter {
    pub(super) fn new(dialect: Dialect) -> Self {
        let names = dialect.special_tokens().map(regex::escape).join("|");
        let (names, words) = match dialect {
            Dialect::OpenClip => (format!("(?i:{names})"), WORDS_IGNORING_CASE),
            Dialect::HuggingFace => (names, WORDS),
        };
        let regex = |pattern: &str| Regex::new(pattern).expect("a constant pattern");
        Splitter {
            dialect,
            special: regex(&names),
            words: regex(words),
            special_or_word: regex(&format!("{names}|{words}")),
        }
    }

    pub(super) fn split(&self, prompt: &str) -> Split {
        match self.dialect {
            Dialect::OpenClip => self.split_open_clip(prompt),
            Dialect::HuggingFace => self.split_hugging_face(prompt),
        }
    }

    /// Special tokens are found in the cleaned text, where a word may start.
    fn split_open_clip(&self, prompt: &str) -> Split {
        let text = clean::open_clip(prompt);
        let words = self.special_or_word.find_iter(&text);
        let pieces = words
            .map(|word| Piece { range: word.range(), special: self.special_of(word.as_str()) })
            .collect();
        Split { text, pieces }
    }

    /// Special tokens are found in the prompt as it is; what is between them is
    /// cleaned and split part by part.
    fn split_hugging_face(&self, prompt: &str) -> Split {
        let mut split = Split { text: String::new(), pieces: Vec::new() };
        let mut done = 0;
        for name in self.special.find_iter(prompt) {
            self.append_words(&prompt[done..name.start()], &mut split);
            let start = split.text.len();
            split.text.push_str(name.as_str());
            let special = self.special_of(name.as_str());
            split.pieces.push(Piece { range: start..split.text.len(), special });
            done = name.end();
        }
        self.append_words(&prompt[done..], &mut split);
        split
    }

    fn append_words(&self, part: &str, split: &mut Split) {
        let offset = split.text.len();
        let clean = clean::hugging_face(part);
        for word in self.special_or_word.find_iter(&clean) {
            // A name that only lower case made is one word to the first of two
            // splits, and three to the second.
            for inner in self.words.find_iter(word.as_str()) {
                let start = offset + word.start() + inner.start();
                split.pieces.push(Piece { range: start..start + inner.len(), special: None });
            }
        }
        split.text.push_str(&clean);
    }

    fn special_of(&self, word: &str) -> Option<Special> {
        let [start, end] = self.dialect.special_tokens();
        match word {
            _ if word == start => Some(Special::Start),
            _ if word == end => Some(Special::End),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(dialect: Dialect, prompt: &str) -> Vec<String> {
        let split = Splitter::new(dialect).split(prompt);
        let mark = |piece: &Piece| if piece.special.is_some() { "*" } else { "" };
        let show = |piece: &Piece| format!("{}{}", mark(piece), &split.text[piece.range.clone()]);
        split.pieces.iter().map(show).collect()
    }

    #[test]
    fn both_dialects_split_alike() {
        for dialect in [Dialect::OpenClip, Dialect::HuggingFace] {
            let found = words(dialect, "They've 42 CATS!? isn't 'xs (it’s)");
            let start = ["they", "'ve", "4", "2", "cats", "!?", "isn", "'t", "'", "xs", "("];
            assert_eq!(found[..start.len()], start);
        }
    }

    #[test]
    fn open_clip_finds_special_tokens_where_words_start() {
        let found = words(Dialect::OpenClip, "a<END_of_text>b !<start_of_text>");
        let expected = ["a", "*<end_of_text>", "b", "!<", "start", "_", "of", "_", "text", ">"];
        assert_eq!(found, expected);
    }

    #[test]
    fn hugging_face_finds_special_tokens_anywhere_but_only_verbatim() {
        let found = words(Dialect::HuggingFace, "!<|endoftext|>A <|ENDOFTEXT|>!");
        assert_eq!(found, ["!", "*<|endoftext|>", "a", "<|", "endoftext", "|>", "!"]);
    }
}
