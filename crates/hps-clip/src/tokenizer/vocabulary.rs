//! The tokens of a byte-level BPE vocabulary and its merge rules.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, OnceLock};

use flate2::read::GzDecoder;
use hps_core::{Error, ErrorKind, Result};

use super::bpe::{Merge, Merges, merge};

/// OpenAI's vocabulary, see `README.md` in this folder for its licence.
const OPENAI: &[u8] = include_bytes!("bpe_simple_vocab_16e6.txt.gz");

/// The number of merge rules that CLIP uses of those in [`OPENAI`].
const OPENAI_MERGES: usize = 49_152 - 256 - 2;

/// Ends the text of a token that ends a word.
const WORD_END: &str = "</w>";

/// Token ids and merge rules. Words are encoded with [`Vocabulary::encode_word`].
#[derive(Debug)]
pub(super) struct Vocabulary {
    bytes: [u32; 256],
    last_bytes: [u32; 256],
    merges: Merges,
    start: u32,
    end: u32,
    size: usize,
}

impl Vocabulary {
    /// OpenAI's vocabulary of 49,408 tokens, unpacked once per process.
    pub(super) fn openai() -> Arc<Self> {
        static PARSED: OnceLock<Arc<Vocabulary>> = OnceLock::new();
        let parse = || {
            let mut text = String::new();
            GzDecoder::new(OPENAI).read_to_string(&mut text).expect("embedded gzip data");
            Arc::new(Self::parse_openai(&text).expect("the embedded vocabulary"))
        };
        Arc::clone(PARSED.get_or_init(parse))
    }

    /// OpenAI's own format: a heading, then one rule per line. Tokens are the
    /// bytes, the bytes at a word's end, the joined tokens, start and end.
    fn parse_openai(text: &str) -> Result<Self> {
        let rules: Vec<&str> = text.lines().skip(1).take(OPENAI_MERGES).collect();
        let letters = byte_letters_in_id_order();
        let bytes = letters.iter().map(char::to_string);
        let last_bytes = letters.iter().map(|letter| format!("{letter}{WORD_END}"));
        let joined = rules.iter().map(|rule| rule.replacen(' ', "", 1));
        let special = ["<start_of_text>", "<end_of_text>"].map(str::to_owned);
        let tokens = bytes.chain(last_bytes).chain(joined).chain(special);
        let ids: HashMap<String, u32> = tokens.zip(0..).collect();
        Self::build(&ids, rules.into_iter(), ["<start_of_text>", "<end_of_text>"])
    }

    /// Hugging Face's format: `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if either cannot be parsed or they do not fit
    /// together.
    pub(super) fn parse_hugging_face(
        vocab_json: &str,
        merges_txt: &str,
        special: [&str; 2],
    ) -> Result<Self> {
        let ids: HashMap<String, u32> = serde_json::from_str(vocab_json).map_err(|error| {
            invalid("vocab.json is not an object of token ids".to_owned()).with_source(error)
        })?;
        let rules = merges_txt.lines().filter(|line| !line.starts_with("#version"));
        Self::build(&ids, rules.filter(|line| !line.trim().is_empty()), special)
    }

    fn build<'a>(
        ids: &HashMap<String, u32>,
        rules: impl Iterator<Item = &'a str>,
        [start, end]: [&str; 2],
    ) -> Result<Self> {
        let id = |token: &str| ids.get(token).copied().ok_or_else(|| missing(token));
        let mut bytes = [0; 256];
        let mut last_bytes = [0; 256];
        for byte in 0..=u8::MAX {
            let letter = byte_letter(byte);
            bytes[usize::from(byte)] = id(&letter.to_string())?;
            last_bytes[usize::from(byte)] = id(&format!("{letter}{WORD_END}"))?;
        }
        Ok(Vocabulary {
            bytes,
            last_bytes,
            merges: parse_merges(rules, id)?,
            start: id(start)?,
            end: id(end)?,
            size: checked_size(ids)?,
        })
    }

    /// The tokens of one word, at least one unless the word is empty.
    pub(super) fn encode_word(&self, word: &str) -> Vec<u32> {
        let Some((&last, head)) = word.as_bytes().split_last() else { return Vec::new() };
        let mut tokens: Vec<u32> = head.iter().map(|&byte| self.bytes[usize::from(byte)]).collect();
        tokens.push(self.last_bytes[usize::from(last)]);
        merge(tokens, &self.merges)
    }

    /// The start-of-text token.
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// The end-of-text token.
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// One more than the largest id.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

fn parse_merges<'a>(
    rules: impl Iterator<Item = &'a str>,
    id: impl Fn(&str) -> Result<u32>,
) -> Result<Merges> {
    let mut merges = Merges::new();
    for (rule, rank) in rules.zip(0..) {
        let Some((left, right)) = rule.split_once(' ') else {
            return Err(invalid(format!("merge rule {rank} is not a pair of tokens: {rule:?}")));
        };
        let joined = Merge { rank, id: id(&format!("{left}{right}"))? };
        if merges.insert((id(left)?, id(right)?), joined).is_some() {
            return Err(invalid(format!("merge rule {rank} is there twice: {rule:?}")));
        }
    }
    Ok(merges)
}

/// One more than the largest id; ids must be those of a table of that size.
fn checked_size(ids: &HashMap<String, u32>) -> Result<usize> {
    let mut seen = vec![false; ids.len()];
    for (token, &id) in ids {
        match seen.get_mut(id as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                let message = format!("token {token:?} has id {id}, taken or out of range");
                return Err(invalid(message));
            }
        }
    }
    Ok(seen.len())
}

fn missing(token: &str) -> Error {
    invalid(format!("the vocabulary has no token {token:?}"))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
        .with_hint("Check that vocab.json and merges.txt are complete and from the same model.")
}

/// The bytes that stand for themselves in a vocabulary's text: those that
/// ISO 8859-1 shows as a visible character.
fn is_visible(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The letter of a byte in a vocabulary's text. The invisible bytes take the
/// letters from U+0100 on, so that no token has a space in it.
fn byte_letter(byte: u8) -> char {
    if is_visible(byte) {
        return char::from(byte);
    }
    let hidden_before = (0..byte).filter(|&b| !is_visible(b)).count() as u32;
    char::from_u32(0x100 + hidden_before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The letters of all bytes, the visible ones first.
fn byte_letters_in_id_order() -> Vec<char> {
    let (visible, hidden): (Vec<u8>, Vec<u8>) = (0..=u8::MAX).partition(|&b| is_visible(b));
    visible.into_iter().chain(hidden).map(byte_letter).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SPECIAL: [&str; 2] = ["<|startoftext|>", "<|endoftext|>"];

    fn byte_level(extra: &[&str]) -> String {
        let letters = byte_letters_in_id_order();
        let ends = letters.iter().map(|letter| format!("{letter}{WORD_END}"));
        let extra = SPECIAL.iter().chain(extra).map(|&token| token.to_owned());
        let tokens = letters.iter().map(char::to_string).chain(ends).chain(extra);
        serde_json::to_string(&tokens.zip(0_u32..).collect::<HashMap<_, _>>()).unwrap()
    }

    #[test]
    fn the_embedded_vocabulary_is_complete() {
        let vocabulary = Vocabulary::openai();
        assert_eq!(vocabulary.size(), 49_408);
        assert_eq!(vocabulary.merges.len(), OPENAI_MERGES);
        assert_eq!((vocabulary.start(), vocabulary.end()), (49_406, 49_407));
        assert_eq!(vocabulary.encode_word("cat"), [2368]);
        assert_eq!(vocabulary.encode_word("!"), [256]);
        assert!(vocabulary.encode_word("").is_empty());
    }

    #[test]
    fn bytes_have_distinct_visible_letters() {
        let mut letters = byte_letters_in_id_order();
        assert_eq!((byte_letter(b'a'), byte_letter(b' '), byte_letter(0xad)), ('a', 'Ġ', 'Ń'));
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), 256);
    }

    #[test]
    fn files_of_a_model_are_read() {
        let vocab = byte_level(&["ab", "abc</w>"]);
        let merges = "#version: 0.2\na b\nab c</w>\n";
        let vocabulary = Vocabulary::parse_hugging_face(&vocab, merges, SPECIAL).unwrap();
        assert_eq!((vocabulary.start(), vocabulary.size()), (512, 516));
        assert_eq!(vocabulary.encode_word("abc"), [515]);
        assert_eq!(vocabulary.encode_word("aba").len(), 2);
    }

    #[test]
    fn malformed_files_are_errors() {
        let good = byte_level(&["ab"]);
        let twice = good.replacen(":513", ":512", 1);
        let cases = [
            ("[]", "", "not an object"),
            ("{\"a\":-1}", "", "not an object"),
            ("{}", "", "no token"),
            (good.as_str(), "ab", "not a pair"),
            (good.as_str(), "a c", "no token \"ac\""),
            (good.as_str(), "a b\na b", "twice"),
            (twice.as_str(), "a b", "taken"),
        ];
        for (vocab, merges, message) in cases {
            let error = Vocabulary::parse_hugging_face(vocab, merges, SPECIAL).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains(message), "{error} does not say {message:?}");
        }
    }
}
