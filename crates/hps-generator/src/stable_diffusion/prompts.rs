//! From prompts to the states the network looks at.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use candle_core::Tensor;
use hps_clip::{HiddenLayer, TextTower};
use hps_core::{Result, Warning, WarningKind};
use hps_nn::model_error;

use super::tokenizer::PromptTokenizer;

/// Prompts whose states are kept, about 0.2 MB each for SD 1.5: enough for all
/// candidates of the prompts being worked on, and a negative prompt.
const KEPT: usize = 64;

/// Tokenizer, text tower, and the states of recent prompts.
#[derive(Debug)]
pub(super) struct PromptEncoder {
    tokenizer: PromptTokenizer,
    tower: TextTower,
    states: HashMap<Arc<str>, Tensor>,
    /// The keys of `states`, the oldest first.
    order: VecDeque<Arc<str>>,
}

impl PromptEncoder {
    pub fn new(tokenizer: PromptTokenizer, tower: TextTower) -> Self {
        PromptEncoder { tokenizer, tower, states: HashMap::new(), order: VecDeque::new() }
    }

    /// The token ids of `text`, padded or cut to the context length.
    pub fn token_ids(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }

    /// What is unusual about `text`.
    pub fn check(&self, text: &str) -> Vec<Warning> {
        self.tokenizer.check(text)
    }

    /// The normalised last hidden states of `text`, `[context_length, width]`.
    ///
    /// # Errors
    ///
    /// When the text tower fails.
    pub fn encode(&mut self, text: &str) -> Result<Tensor> {
        if let Some(states) = self.states.get(text) {
            return Ok(states.clone());
        }
        for warning in self.check(text) {
            if warning.kind == WarningKind::PromptTruncated {
                tracing::warn!(prompt = text, "{warning}");
            }
        }
        let ids = [self.token_ids(text)];
        let states = self.tower.hidden_states(&ids, HiddenLayer::FINAL).map_err(model_error)?;
        let states = states.get(0).map_err(model_error)?;
        if self.order.len() >= KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.states.remove(&oldest);
        }
        let key: Arc<str> = text.into();
        self.order.push_back(Arc::clone(&key));
        self.states.insert(key, states.clone());
        Ok(states)
    }
}
