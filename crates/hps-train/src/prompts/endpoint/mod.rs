//! A chat model that rewrites prompts, through any endpoint that speaks OpenAI's chat
//! completions: a cloud, a local server, a proxy.
//!
//! Start at [`rewrite_all`].
//!
//! # Invariants
//!
//! * The key goes to the endpoint and nowhere else: redirects are not followed, and no
//!   message and no `Debug` output quotes it.
//! * What a prompt or an answer says changes nothing but that prompt's result.
//! * A failure that other prompts share (a wrong key, an unknown model, nobody there)
//!   ends the work; any other is the result of its prompt.

mod answer;
mod client;
mod failure;
mod options;
mod pause;
mod rewrite;
mod usage;

pub use options::{ApiKey, EndpointOptions};
pub use rewrite::{RewriteEnd, RewriteObserver, Rewritten, rewrite_all};
pub use usage::Usage;
