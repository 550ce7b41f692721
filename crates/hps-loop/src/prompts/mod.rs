//! Style words of prompts, and files of prompts without them.
//!
//! * [`read_prompts`]: prompts from a file or standard input;
//! * [`StyleReport`]: which words are over-represented against plain captions;
//! * [`clean`]: prompts without function words, by rules or by a chat model, in a file
//!   that survives a crash and is resumed.

mod clean;
#[cfg(feature = "endpoint")]
mod endpoint;
mod record;
mod report;
mod source;

pub use clean::{CleanEnd, CleanMethod, CleanObserver, CleanOptions, CleanOutcome, clean};
pub use record::CleanRecord;
pub use report::{CleanedWord, StyleReport, cleaned_words};
pub use source::read_prompts;

pub use hps_train::prompts::{
    Entry, NgramCounts, PromptFormat, Rule, RuleScope, RuleSet, StyleWord, StyleWordOptions,
    plain_captions,
};

#[cfg(feature = "endpoint")]
pub use hps_train::prompts::endpoint::{ApiKey, EndpointOptions, Usage};
