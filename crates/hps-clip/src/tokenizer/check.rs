//! Remarks about prompts that tokenize to something unexpected.

use std::sync::LazyLock;

use hps_core::{Warning, WarningKind};
use regex::Regex;

use super::split::{Special, Split};
use super::{Dialect, Tokenizer};

/// How many characters of a word a message quotes.
const QUOTED: usize = 40;

static LETTER: LazyLock<Regex> = LazyLock::new(|| constant(r"\p{L}"));

/// Letters of no script in particular count as familiar.
static FAMILIAR_LETTER: LazyLock<Regex> =
    LazyLock::new(|| constant(r"[\p{L}&&[\p{Latin}\p{Common}\p{Inherited}]]"));

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

pub(super) fn check(tokenizer: &Tokenizer, prompt: &str) -> Vec<Warning> {
    let split = tokenizer.splitter.split(prompt);
    let mut warnings = Vec::new();
    warnings.extend(empty(&split));
    warnings.extend(truncated(tokenizer, &split));
    warnings.extend(special_tokens(tokenizer, &split));
    warnings.extend(unfamiliar_script(&split.text));
    warnings
}

fn empty(split: &Split) -> Option<Warning> {
    let message = "the prompt is empty: the model sees the start and end tokens only";
    split.pieces.is_empty().then(|| Warning::new(WarningKind::EmptyPrompt, message))
}

fn truncated(tokenizer: &Tokenizer, split: &Split) -> Option<Warning> {
    let room = tokenizer.context_length() - 2;
    let mut count = 0;
    let mut first_dropped = None;
    for piece in &split.pieces {
        count += tokenizer.piece_tokens(split, piece).len();
        if count > room && first_dropped.is_none() {
            first_dropped = Some(piece.range.start);
        }
    }
    let word = word_at(&split.text, first_dropped?);
    let dropped = count - room;
    let message = format!(
        "the prompt has {count} tokens and the model reads {room}: \
         {dropped} are dropped, from {word:?} on"
    );
    Some(Warning::new(WarningKind::PromptTruncated, message))
}

/// The text between spaces around byte `at`, cut to a quotable length.
fn word_at(text: &str, at: usize) -> String {
    let (before, after) = text.split_at(at);
    let start = before.rfind(' ').map_or(0, |space| space + 1);
    let end = after.find(' ').map_or(text.len(), |space| at + space);
    let word = &text[start..end];
    match word.char_indices().nth(QUOTED) {
        Some((cut, _)) => format!("{}…", &word[..cut]),
        None => word.to_owned(),
    }
}

fn special_tokens(tokenizer: &Tokenizer, split: &Split) -> Vec<Warning> {
    let [start, end] = tokenizer.dialect().special_tokens();
    let found = |special| split.pieces.iter().any(|piece| piece.special == Some(special));
    let effects = [
        (start, found(Special::Start), "is read as the start-of-text token, not as words"),
        (end, found(Special::End), "ends the text: the model ignores all that follows"),
    ];
    let mut messages = Vec::new();
    for (name, is_special, effect) in effects {
        if is_special {
            messages.push(format!("{name} in the prompt {effect}"));
        }
    }
    let own = effects.iter().filter(|(_, is_special, _)| !is_special).map(|&(name, ..)| name);
    for name in own.chain(other(tokenizer.dialect()).special_tokens()) {
        if split.text.contains(name) {
            messages.push(format!("{name} in the prompt is read as words, not as a special token"));
        }
    }
    messages.into_iter().map(|m| Warning::new(WarningKind::SpecialToken, m)).collect()
}

fn other(dialect: Dialect) -> Dialect {
    match dialect {
        Dialect::OpenClip => Dialect::HuggingFace,
        Dialect::HuggingFace => Dialect::OpenClip,
    }
}

/// CLIP was trained on English captions. The rule: more than half of the
/// letters are of a script other than Latin. Digits, punctuation and emoji are
/// no letters.
fn unfamiliar_script(text: &str) -> Option<Warning> {
    if text.is_ascii() {
        return None;
    }
    let letters = LETTER.find_iter(text).count();
    let foreign = letters - FAMILIAR_LETTER.find_iter(text).count();
    if 2 * foreign <= letters {
        return None;
    }
    let message = format!(
        "{foreign} of {letters} letters are not Latin: \
         the model has hardly seen other scripts and scores them at random"
    );
    Some(Warning::new(WarningKind::UnfamiliarScript, message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn kinds(tokenizer: &Tokenizer, prompt: &str) -> Vec<WarningKind> {
        tokenizer.check(prompt).into_iter().map(|warning| warning.kind).collect()
    }

    fn hugging_face() -> Tokenizer {
        Tokenizer::hugging_face(49_407).unwrap()
    }

    #[test]
    fn ordinary_prompts_pass() {
        for prompt in ["a red fox", "café 🦊🦊🦊🦊", "l'été à Łódź", "!!! 42", "x² + ª 𝕏"]
        {
            assert_eq!(kinds(&Tokenizer::open_clip(), prompt), [], "{prompt:?}");
            assert_eq!(kinds(&hugging_face(), prompt), [], "{prompt:?}");
        }
    }

    #[test]
    fn nothing_to_read_is_an_empty_prompt() {
        for prompt in ["", " \n\t", "\u{7}"] {
            assert_eq!(kinds(&Tokenizer::open_clip(), prompt), [WarningKind::EmptyPrompt]);
        }
        assert_eq!(kinds(&hugging_face(), " "), [WarningKind::EmptyPrompt]);
    }

    #[test]
    fn truncation_names_the_first_lost_word() {
        let prompt = format!("{}tail-piece after", "cat ".repeat(74));
        let warnings = Tokenizer::open_clip().check(&prompt);
        assert_eq!(
            warnings[0].message,
            "the prompt has 78 tokens and the model reads 75: 3 are dropped, \
             from \"tail-piece\" on"
        );
        assert_eq!(kinds(&Tokenizer::open_clip(), &"cat ".repeat(75)), []);
        assert_eq!(kinds(&hugging_face(), &"cat ".repeat(76)), [WarningKind::PromptTruncated]);
    }

    #[test]
    fn a_long_lost_word_is_quoted_in_part() {
        let warnings = Tokenizer::open_clip().check(&"é".repeat(1000));
        assert!(warnings[0].message.ends_with(&format!("from \"{}…\" on", "é".repeat(40))));
    }

    #[test]
    fn special_tokens_are_explained_per_dialect() {
        let prompt = "a <end_of_text> b <|startoftext|>";
        let messages = |tokenizer: Tokenizer| {
            tokenizer.check(prompt).into_iter().map(|w| w.message).collect::<Vec<_>>()
        };
        assert_eq!(
            messages(Tokenizer::open_clip()),
            [
                "<end_of_text> in the prompt ends the text: the model ignores all that follows",
                "<|startoftext|> in the prompt is read as words, not as a special token",
            ]
        );
        assert_eq!(
            messages(hugging_face()),
            [
                "<|startoftext|> in the prompt is read as the start-of-text token, not as words",
                "<end_of_text> in the prompt is read as words, not as a special token",
            ]
        );
    }

    #[test]
    fn most_letters_decide_about_the_script() {
        let unfamiliar = [WarningKind::UnfamiliarScript];
        for prompt in ["一只猫", "коты cat", "γάτα", "หมา 🐶", "ab кот"] {
            assert_eq!(kinds(&Tokenizer::open_clip(), prompt), unfamiliar, "{prompt:?}");
        }
        for prompt in ["abc кот", "Σ sum", "café 猫", "東1", "12 🦊"] {
            let expected: &[WarningKind] = if prompt == "東1" { &unfamiliar } else { &[] };
            assert_eq!(kinds(&Tokenizer::open_clip(), prompt), expected, "{prompt:?}");
        }
    }
}
