//! Removing function words by rules.
//!
//! The rules are data (`data/prompts/rules.toml`), each with an example that is
//! checked when the rules are loaded.
//!
//! # Invariants
//!
//! * A prompt that no rule applies to comes back byte for byte.
//! * The result is never longer than the prompt.
//! * Cleaning twice is cleaning once: rules are applied until none applies, and every
//!   application makes the text shorter.

mod cleaner;
mod emphasis;
mod parts;
mod removal;
mod rule;
mod tidy;

pub use cleaner::{Cleaned, RuleSet};
pub use rule::{Rule, RuleScope};
