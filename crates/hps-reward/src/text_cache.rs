//! Prompt embeddings that are kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hps_core::Prompt;

/// Features of the prompts seen last. One prompt is scored against many
/// pictures, so its text runs through the tower once.
#[derive(Debug)]
pub(crate) struct TextCache {
    capacity: usize,
    features: HashMap<Prompt, Arc<[f32]>>,
    order: VecDeque<Prompt>,
}

impl TextCache {
    /// A cache of at most `capacity` prompts; the one stored first goes first.
    pub(crate) fn new(capacity: usize) -> Self {
        TextCache { capacity, features: HashMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn get(&self, prompt: &Prompt) -> Option<Arc<[f32]>> {
        self.features.get(prompt).cloned()
    }

    pub(crate) fn insert(&mut self, prompt: &Prompt, features: Arc<[f32]>) {
        if self.features.insert(prompt.clone(), features).is_none() {
            self.order.push_back(prompt.clone());
        }
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.features.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_memory_is_bounded() {
        let mut cache = TextCache::new(2);
        for (index, text) in ["a", "b", "a", "c"].into_iter().enumerate() {
            cache.insert(&Prompt::from(text), Arc::from([index as f32]));
        }
        assert!(cache.get(&Prompt::from("a")).is_none());
        assert_eq!(cache.get(&Prompt::from("b")).as_deref(), Some(&[1.0][..]));
        assert_eq!(cache.get(&Prompt::from("c")).as_deref(), Some(&[3.0][..]));
    }
}
