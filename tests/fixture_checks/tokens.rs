//! `tokens.json`: every prompt's 77 ids.

use hps_clip::tokenizer::Tokenizer;
use serde::Deserialize;

use crate::place;

#[derive(Deserialize)]
struct Case {
    prompt: String,
    ids: Vec<u32>,
}

#[test]
fn every_prompt_has_the_same_ids() {
    let Some(cases) = place::json::<Vec<Case>>("reward", "tokens.json") else { return };
    let tokenizer = Tokenizer::open_clip();
    let wrong: Vec<&str> = cases
        .iter()
        .filter(|case| tokenizer.encode(&case.prompt).ids != case.ids)
        .map(|case| case.prompt.as_str())
        .collect();
    println!("{} of {} prompts identical", cases.len() - wrong.len(), cases.len());
    assert!(!cases.is_empty());
    assert!(wrong.is_empty(), "{wrong:?}");
}
