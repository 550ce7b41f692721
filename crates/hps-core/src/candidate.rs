//! One attempt at a prompt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{SampleSpec, Score};

/// A finished attempt: how it was drawn and what it scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// How it was drawn.
    #[serde(flatten)]
    pub spec: SampleSpec,
    /// What ranks it: the reward's raw score, or several combined.
    pub score: Score,
    /// The raw score of each reward by its id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, Score>,
    /// Model evaluations spent.
    pub nfe: u64,
}
