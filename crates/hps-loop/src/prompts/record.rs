//! The lines of a file of cleaned prompts.

use hps_core::{Error, ErrorKind, Result};
use hps_store::ErrorRecord;
#[cfg(feature = "endpoint")]
use hps_train::prompts::endpoint::Usage;
use hps_train::prompts::{Cleaned, Entry};
use serde::{Deserialize, Serialize};

/// What became of one prompt. The key `prompt` holds the cleaned one, so that the file
/// is itself a file of prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CleanRecord {
    /// Its place among the prompts of the input, from 0.
    pub index: usize,
    /// Its line in the input, from 1.
    pub line: usize,
    /// The cleaned prompt; missing if there is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The prompt as it was; missing if the line held none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// Why there is no cleaned prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// Rules or model, with a digest of what was asked of them.
    pub method: String,
    /// The rules that applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// What the model took, over all attempts.
    #[cfg(feature = "endpoint")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

impl CleanRecord {
    pub(super) fn new(index: usize, line: usize, method: &str) -> Self {
        CleanRecord {
            index,
            line,
            prompt: None,
            original: None,
            error: None,
            method: method.to_owned(),
            rules: Vec::new(),
            #[cfg(feature = "endpoint")]
            usage: None,
        }
    }

    /// The record of an entry, with nothing but its text or its error yet.
    pub(super) fn of(index: usize, entry: &Entry, method: &str) -> Self {
        let mut record = CleanRecord::new(index, entry.line, method);
        match &entry.prompt {
            Ok(text) => record.original = Some(text.clone()),
            Err(error) => record.error = Some(error.into()),
        }
        record
    }

    /// Adds what rules made of the prompt.
    pub(super) fn with_cleaned(mut self, cleaned: Cleaned) -> Self {
        self.rules = cleaned.rules;
        self.with_prompt(match cleaned.text.trim() {
            "" => Err(Error::new(ErrorKind::InvalidInput, "nothing but function words")),
            _ => Ok(cleaned.text),
        })
    }

    /// Adds the cleaned prompt or why there is none.
    pub(super) fn with_prompt(mut self, prompt: Result<String>) -> Self {
        match prompt {
            Ok(text) => self.prompt = Some(text),
            Err(error) => self.error = Some((&error).into()),
        }
        self
    }

    /// Whether cleaning changed the prompt.
    pub fn changed(&self) -> bool {
        self.prompt.is_some() && self.prompt != self.original
    }
}
