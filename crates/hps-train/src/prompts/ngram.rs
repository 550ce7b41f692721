//! Counting words and short runs of words.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The longest run of words that is counted.
pub const MAX_NGRAM: usize = 3;

/// How often an n-gram occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NgramCount {
    /// Occurrences.
    pub tokens: u64,
    /// Prompts with at least one occurrence.
    pub prompts: u64,
}

/// Occurrences of n-grams of 1 to [`MAX_NGRAM`] words in a collection of prompts.
///
/// Words are lower-case runs of letters and digits; hyphens and underscores separate
/// words, so that `highly-detailed` and `highly detailed` are the same. Other
/// punctuation ends a run: no n-gram crosses a comma.
#[derive(Clone, Debug, Default)]
pub struct NgramCounts {
    counts: HashMap<String, Counted>,
    totals: [u64; MAX_NGRAM],
    prompts: u64,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    count: NgramCount,
    /// The number of the last prompt that had it, from 1.
    last: u64,
}

impl NgramCounts {
    /// Counts the n-grams of all `prompts`.
    pub fn of<'a>(prompts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut counts = NgramCounts::default();
        for prompt in prompts {
            counts.add(prompt);
        }
        counts
    }

    /// Counts one more prompt.
    pub fn add(&mut self, prompt: &str) {
        self.prompts += 1;
        for run in runs(prompt) {
            for n in 1..=MAX_NGRAM {
                for words in run.windows(n) {
                    self.count(words);
                }
            }
        }
    }

    fn count(&mut self, words: &[String]) {
        if let Some(total) = words.len().checked_sub(1).and_then(|n| self.totals.get_mut(n)) {
            *total += 1;
        }
        let prompt = self.prompts;
        match self.counts.entry(words.join(" ")) {
            Entry::Occupied(mut entry) => {
                let counted = entry.get_mut();
                counted.count.tokens += 1;
                counted.count.prompts += u64::from(counted.last != prompt);
                counted.last = prompt;
            }
            Entry::Vacant(entry) => {
                entry.insert(Counted { count: NgramCount { tokens: 1, prompts: 1 }, last: prompt });
            }
        }
    }

    /// How often the n-gram of these lower-case words with single spaces occurs.
    pub fn get(&self, ngram: &str) -> NgramCount {
        self.counts.get(ngram).map_or(NgramCount::default(), |counted| counted.count)
    }

    /// Occurrences of all n-grams of `n` words together; 0 for an `n` that is not counted.
    pub fn total(&self, n: usize) -> u64 {
        n.checked_sub(1).and_then(|n| self.totals.get(n)).copied().unwrap_or_default()
    }

    /// How many prompts were counted.
    pub fn prompts(&self) -> u64 {
        self.prompts
    }

    /// All n-grams, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, NgramCount)> {
        self.counts.iter().map(|(ngram, counted)| (ngram.as_str(), counted.count))
    }
}

/// The words of a text, in runs that punctuation separates.
fn runs(text: &str) -> Vec<Vec<String>> {
    let mut runs = Vec::new();
    let mut run = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let after = word.chars().next_back();
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        } else if matches!(c, '\'' | '’')
            && after.is_some()
            && next.is_some_and(char::is_alphanumeric)
        {
            word.push('\'');
        } else if matches!(c, '.' | ':')
            && after.is_some_and(|c| c.is_ascii_digit())
            && next.is_some_and(|c| c.is_ascii_digit())
        {
            // Versions and ratios: 2.1, 16:9.
            word.push(c);
        } else {
            end(&mut run, &mut word);
            if !c.is_whitespace() && !matches!(c, '-' | '_') {
                end(&mut runs, &mut run);
            }
        }
    }
    end(&mut run, &mut word);
    end(&mut runs, &mut run);
    runs
}

/// Moves what was collected to the list, unless it is empty.
fn end<T: Default + PartialEq>(list: &mut Vec<T>, item: &mut T) {
    let item = std::mem::take(item);
    if item != T::default() {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_and_runs() {
        let text = "Highly-detailed FOX, it's 16:9. v2.1 (a b)  Ünïcode";
        let joined: Vec<String> = runs(text).iter().map(|run| run.join(" ")).collect();
        assert_eq!(joined, ["highly detailed fox", "it's 16:9", "v2.1", "a b", "ünïcode"]);
        assert!(runs(" ,;'’.- ").is_empty());
    }

    #[test]
    fn ngrams_do_not_cross_punctuation() {
        let counts = NgramCounts::of(["a red fox, a red", "red fox"]);
        let count = |ngram| (counts.get(ngram).tokens, counts.get(ngram).prompts);
        assert_eq!(count("red"), (3, 2));
        assert_eq!(count("a red"), (2, 1));
        assert_eq!(count("a red fox"), (1, 1));
        assert_eq!(count("fox a"), (0, 0));
        assert_eq!((counts.total(1), counts.total(2), counts.total(3)), (7, 4, 1));
        assert_eq!((counts.total(0), counts.total(4), counts.prompts()), (0, 0, 2));
    }

    proptest! {
        #[test]
        fn totals_are_the_sums(prompts in prop::collection::vec("\\PC{0,40}", 0..8)) {
            let counts = NgramCounts::of(prompts.iter().map(String::as_str));
            for n in 1..=MAX_NGRAM {
                let of_n = counts.iter().filter(|(ngram, _)| ngram.split(' ').count() == n);
                let tokens: u64 = of_n.map(|(_, count)| count.tokens).sum();
                prop_assert_eq!(tokens, counts.total(n));
            }
            for (_, count) in counts.iter() {
                prop_assert!(count.prompts <= count.tokens && count.prompts <= counts.prompts());
            }
        }
    }
}
