//! The tokenizer against open_clip's and Hugging Face's, and what holds for any text.
//!
//! `tests/data/*.json` is written by `scripts/make_token_values.py`.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use hps_clip::tokenizer::{CONTEXT_LENGTH, Dialect, Encoding, Tokenizer};
use proptest::prelude::*;
use serde::Deserialize;

const END: u32 = 49_407;

#[derive(Deserialize)]
struct Case {
    prompt: String,
    ids: Vec<u32>,
}

fn cases(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn data(name: &str) -> Vec<Case> {
    cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name))
}

/// Compares all ids, the padding included.
fn compare(tokenizer: &Tokenizer, pad: u32, cases: &[Case]) {
    for Case { prompt, ids } in cases {
        let mut padded = ids.clone();
        padded.resize(CONTEXT_LENGTH, pad);
        assert_eq!(tokenizer.encode(prompt).ids, padded, "{prompt:?}");
    }
}

/// The embedded vocabulary in the form of `vocab.json` and `merges.txt`.
fn files() -> (String, String) {
    let path = "src/tokenizer/bpe_simple_vocab_16e6.txt.gz";
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let rules: Vec<&str> = text.lines().skip(1).take(48_894).collect();
    let visible = ('!'..='~').chain('¡'..='¬').chain('®'..='ÿ');
    let letters: Vec<char> = visible.chain(('Ā'..).take(68)).collect();
    let tokens = letters
        .iter()
        .map(char::to_string)
        .chain(letters.iter().map(|letter| format!("{letter}</w>")))
        .chain(rules.iter().map(|rule| rule.replace(' ', "")))
        .chain(["<|startoftext|>".to_owned(), "<|endoftext|>".to_owned()]);
    let vocab: HashMap<String, u32> = tokens.zip(0..).collect();
    (serde_json::to_string(&vocab).unwrap(), format!("#version: 0.2\n{}\n", rules.join("\n")))
}

#[test]
fn difficult_prompts_have_the_ids_of_open_clip() {
    let cases = data("open_clip_tokens.json");
    assert_eq!(cases.len(), 300);
    compare(&Tokenizer::open_clip(), 0, &cases);
}

#[test]
fn difficult_prompts_have_the_ids_of_hugging_face() {
    let cases = data("hugging_face_tokens.json");
    assert_eq!(cases.len(), 150);
    for pad in [END, 0] {
        compare(&Tokenizer::hugging_face(pad).unwrap(), pad, &cases);
    }
}

#[test]
fn the_files_of_a_model_give_the_same_ids() {
    let (vocab, merges) = files();
    let tokenizer = Tokenizer::from_files(&vocab, &merges, Dialect::HuggingFace, END).unwrap();
    assert_eq!(tokenizer.vocab_size(), 49_408);
    compare(&tokenizer, END, &data("hugging_face_tokens.json"));
}

#[test]
fn truncation_keeps_the_end_token() {
    for tokenizer in [Tokenizer::open_clip(), Tokenizer::hugging_face(END).unwrap()] {
        let fits = tokenizer.encode(&"cat ".repeat(75));
        assert_eq!((fits.len, fits.dropped, fits.end), (77, 0, 76));
        let cut = tokenizer.encode(&"cat ".repeat(100));
        assert_eq!((cut.len, cut.dropped, cut.end), (77, 25, 76));
        assert_eq!(cut.ids, fits.ids);
    }
}

#[test]
fn an_end_token_in_the_prompt_is_where_features_are_read() {
    let Encoding { ids, len, end, .. } = Tokenizer::open_clip().encode("a<end_of_text>b");
    assert_eq!(ids[..5], [49_406, 320, END, 321, END]);
    assert_eq!((len, end), (5, 2));
}

#[test]
fn the_context_length_can_be_set() {
    let tokenizer = Tokenizer::open_clip().with_context_length(4).unwrap();
    let encoding = tokenizer.encode("a red fox");
    assert_eq!(encoding.ids, [49_406, 320, 736, END]);
    assert_eq!((encoding.len, encoding.dropped), (4, 1));
    assert!(Tokenizer::open_clip().with_context_length(1).is_err());
}

#[test]
fn padding_must_be_a_token() {
    assert!(Tokenizer::hugging_face(49_408).is_err());
    assert_eq!(Tokenizer::hugging_face(0).unwrap().encode("").ids[2..], [0; 75]);
}

/// Fragments that the cleaning steps react to.
const FRAGMENTS: &[&str] = &[
    "Ã",
    "Â",
    "â€œ",
    "â€",
    "\u{a0}",
    " ",
    "í\u{a0}½í¸\u{8e}",
    "À\u{80}",
    "\u{fffd}",
    "?",
    "Ø",
    "Ù",
    "в",
    "Ђ",
    "√",
    "╬",
    "&",
    "amp;",
    "&lt",
    "&#",
    "x1F98A;",
    "<",
    "<end_of_text>",
    "<|startoftext|>",
    "\n",
    "\r",
    "\u{1b}[",
    "31m",
    "ŉ",
    "ﬃ",
    "ＡＢ",
    "\u{345}",
    "\u{301}",
    "Σ",
    "İ",
    "'s",
    "'ſ",
    "9",
    "猫",
    "🦊",
    "\u{85}",
    "\u{1a}",
    "word",
    ".",
    "Œ",
    "ð",
    "\u{9f}",
];

fn any_prompt() -> impl Strategy<Value = String> {
    let fragments = prop::collection::vec(prop::sample::select(FRAGMENTS), 0..120);
    prop_oneof![any::<String>(), fragments.prop_map(|parts| parts.concat())]
}

proptest! {
    #[test]
    fn any_text_has_a_well_formed_encoding(prompt in any_prompt(), length in 2_usize..100) {
        for tokenizer in [Tokenizer::open_clip(), Tokenizer::hugging_face(END).unwrap()] {
            let whole = tokenizer.clone().with_context_length(100_000).unwrap().encode(&prompt);
            let tokenizer = tokenizer.with_context_length(length).unwrap();
            let Encoding { ids, len, dropped, end } = tokenizer.encode(&prompt);
            prop_assert_eq!(ids.len(), length);
            prop_assert!(ids.iter().all(|&id| id <= END));
            prop_assert_eq!(ids[0], END - 1);
            prop_assert_eq!(ids[len - 1], END);
            prop_assert_eq!(ids.iter().position(|&id| id == END), Some(end));
            prop_assert_eq!(len + dropped, whole.len);
            prop_assert_eq!(&ids[..len - 1], &whole.ids[..len - 1]);
        }
    }

    #[test]
    fn warnings_agree_with_the_encoding(prompt in any_prompt()) {
        use hps_core::WarningKind;
        for tokenizer in [Tokenizer::open_clip(), Tokenizer::hugging_face(END).unwrap()] {
            let encoding = tokenizer.encode(&prompt);
            let warnings = tokenizer.check(&prompt);
            let warns = |kind| warnings.iter().any(|warning| warning.kind == kind);
            prop_assert_eq!(warns(WarningKind::PromptTruncated), encoding.dropped > 0);
            prop_assert_eq!(warns(WarningKind::EmptyPrompt), encoding.len == 2);
        }
    }
}
