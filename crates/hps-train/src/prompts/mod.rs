//! Prompts without style-word bias (HPS v2 paper, arXiv 2306.09341, §3.1).
//!
//! People who use text-to-image models add words that say nothing about the picture:
//! "trending on artstation, by greg rutkowski, 8k". They are so common that a reward
//! or a comparison of models would learn them instead of the picture.
//!
//! * [`parse`] reads prompts from text, JSON, JSONL and CSV;
//! * [`NgramCounts`] and [`style_words`] find the words that are over-represented
//!   against [`plain_captions`];
//! * [`RuleSet`] removes them by documented rules;
//! * `endpoint` has a chat model rewrite prompts (feature `endpoint`).

#[cfg(feature = "endpoint")]
pub mod endpoint;
mod log_odds;
mod ngram;
mod plain;
mod read;
mod rules;

pub use log_odds::{LogOdds, StyleWord, StyleWordOptions, log_odds, style_words};
pub use ngram::{MAX_NGRAM, NgramCount, NgramCounts};
pub use plain::plain_captions;
pub use read::{Entry, MAX_PROMPT_BYTES, PromptFormat, parse};
pub use rules::{Cleaned, Rule, RuleScope, RuleSet};
