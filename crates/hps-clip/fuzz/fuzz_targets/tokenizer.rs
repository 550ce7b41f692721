//! Any text has a well-formed encoding in both dialects, and nothing panics.
//!
//! Run with `cargo +nightly fuzz run tokenizer` in `crates/hps-clip`.

#![no_main]

use std::sync::LazyLock;

use hps_clip::tokenizer::{CONTEXT_LENGTH, Dialect, Tokenizer};
use libfuzzer_sys::fuzz_target;

const END: u32 = 49_407;

static TOKENIZERS: LazyLock<[Tokenizer; 2]> = LazyLock::new(|| {
    [Tokenizer::open_clip(), Tokenizer::hugging_face(END).expect("a token of the vocabulary")]
});

fuzz_target!(|prompt: &str| {
    for tokenizer in TOKENIZERS.iter() {
        let encoding = tokenizer.encode(prompt);
        assert_eq!(encoding.ids.len(), CONTEXT_LENGTH);
        assert!(encoding.ids.iter().all(|&id| id <= END));
        assert_eq!(encoding.ids[0], END - 1);
        assert_eq!(encoding.ids[encoding.len - 1], END);
        assert_eq!(encoding.ids.iter().position(|&id| id == END), Some(encoding.end));
        assert!(encoding.dropped == 0 || encoding.len == CONTEXT_LENGTH);
        tokenizer.check(prompt);
    }
    // A vocabulary file may be anything.
    if let Some((vocab, merges)) = prompt.split_once('\u{0}') {
        let _ = Tokenizer::from_files(vocab, merges, Dialect::HuggingFace, 0);
    }
});
