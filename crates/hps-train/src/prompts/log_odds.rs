//! Which words are over-represented: log-odds ratios with an informative Dirichlet
//! prior (Monroe, Colaresi and Quinn 2008, "Fightin' Words", §3.5.1).

use std::cmp::Ordering;

use serde::Serialize;

use super::ngram::{MAX_NGRAM, NgramCount, NgramCounts};

/// A log-odds ratio and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LogOdds {
    /// The natural logarithm of the odds of the word in the first text over those in
    /// the second, both shrunk towards the prior.
    pub log_odds: f64,
    /// The ratio over its standard deviation; beyond ±1.96 chance is no explanation
    /// (at 5 %, for a single word).
    pub z: f64,
}

/// A word that occurs `count` times among `total` in one text and `plain` times among
/// `plain_total` in another, with `prior` as the pseudo-count of this word and
/// `prior_total` that of all words.
///
/// With y, n and α as in the paper:
/// δ = ln((y₁+α)/(n₁+α₀−y₁−α)) − ln((y₂+α)/(n₂+α₀−y₂−α)), σ² = 1/(y₁+α) + 1/(y₂+α), z = δ/σ.
/// The result is finite if `0 < prior < prior_total` and counts are at most totals.
pub fn log_odds(
    (count, total): (u64, u64),
    (plain, plain_total): (u64, u64),
    (prior, prior_total): (f64, f64),
) -> LogOdds {
    let odds = |count: u64, total: u64| {
        let with = count as f64 + prior;
        with / (total as f64 + prior_total - with)
    };
    let log_odds = odds(count, total).ln() - odds(plain, plain_total).ln();
    let variance = 1.0 / (count as f64 + prior) + 1.0 / (plain as f64 + prior);
    LogOdds { log_odds, z: log_odds / variance.sqrt() }
}

/// Which words to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StyleWordOptions {
    /// The longest n-gram in words, at most [`MAX_NGRAM`].
    pub max_words: usize,
    /// Fewest occurrences in the prompts.
    pub min_count: u64,
    /// The strength of the prior in words: how many words of the two texts together
    /// each text is mixed with.
    pub prior: f64,
}

impl Default for StyleWordOptions {
    fn default() -> Self {
        StyleWordOptions { max_words: MAX_NGRAM, min_count: 2, prior: 500.0 }
    }
}

/// An n-gram of the prompts, compared with plain text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StyleWord {
    /// The words, lower-case, with single spaces.
    pub ngram: String,
    /// How many words.
    pub n: usize,
    /// Occurrences in the prompts.
    pub count: u64,
    /// The share of prompts that have it, from 0 to 1.
    pub share: f64,
    /// Occurrences in the plain text.
    pub plain_count: u64,
    /// The share of plain captions that have it, from 0 to 1.
    pub plain_share: f64,
    /// The comparison.
    #[serde(flatten)]
    pub log_odds: LogOdds,
}

/// All n-grams of `prompts`, the most over-represented against `plain` first; equal
/// ones in alphabetical order.
///
/// N-grams of each length are compared with those of the same length. The prior of an
/// n-gram is proportional to its occurrences in both texts together.
pub fn style_words(
    prompts: &NgramCounts,
    plain: &NgramCounts,
    options: StyleWordOptions,
) -> Vec<StyleWord> {
    let mut words: Vec<StyleWord> = prompts
        .iter()
        .filter(|(_, count)| count.tokens >= options.min_count)
        .map(|(ngram, count)| (ngram, ngram.split(' ').count(), count))
        .filter(|(_, n, _)| *n <= options.max_words)
        .map(|(ngram, n, count)| compare(ngram, n, count, prompts, plain, options.prior))
        .collect();
    words.sort_by(|a, b| {
        let by_z = b.log_odds.z.partial_cmp(&a.log_odds.z).unwrap_or(Ordering::Equal);
        by_z.then_with(|| a.ngram.cmp(&b.ngram))
    });
    words
}

fn compare(
    ngram: &str,
    n: usize,
    count: NgramCount,
    prompts: &NgramCounts,
    plain: &NgramCounts,
    strength: f64,
) -> StyleWord {
    let plain_count = plain.get(ngram);
    let (total, plain_total) = (prompts.total(n), plain.total(n));
    let both = (count.tokens + plain_count.tokens) as f64 / (total + plain_total).max(1) as f64;
    // One more in the denominator keeps the odds finite where there is one word only.
    let prior = (strength * both, strength + 1.0);
    StyleWord {
        ngram: ngram.to_owned(),
        n,
        count: count.tokens,
        share: share(count.prompts, prompts.prompts()),
        plain_count: plain_count.tokens,
        plain_share: share(plain_count.prompts, plain.prompts()),
        log_odds: log_odds((count.tokens, total), (plain_count.tokens, plain_total), prior),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_formula() {
        // y = 30 of 1000 and 2 of 2000, a = 5 of 100:
        // ln(35/1065) - ln(7/2093) = 2.2850615567, over sqrt(1/35 + 1/7).
        let result = log_odds((30, 1000), (2, 2000), (5.0, 100.0));
        assert!((result.log_odds - 2.285_061_556_7).abs() < 1e-9, "{result:?}");
        assert!((result.z - 5.518_947_984_5).abs() < 1e-9, "{result:?}");
    }

    #[test]
    fn equal_shares_are_no_style() {
        let result = log_odds((10, 1000), (20, 2000), (5.0, 500.0));
        assert!(result.log_odds.abs() < 1e-12 && result.z.abs() < 1e-12);
    }

    #[test]
    fn style_words_come_first() {
        let (first, second) = super::super::plain_captions().split_at(400);
        let prompts: Vec<String> =
            first.iter().map(|caption| format!("{caption}, trending on artstation, 8k")).collect();
        let prompts = NgramCounts::of(prompts.iter().map(String::as_str));
        let plain = NgramCounts::of(second.iter().map(String::as_str));
        let words = style_words(&prompts, &plain, StyleWordOptions::default());
        let top: Vec<&str> = words.iter().take(8).map(|word| word.ngram.as_str()).collect();
        assert!(
            ["8k", "artstation", "trending on"].iter().all(|word| top.contains(word)),
            "{top:?}"
        );
        let of = |ngram: &str| words.iter().find(|word| word.ngram == ngram).unwrap();
        assert!(of("8k").log_odds.z > 5.0);
        assert!(of("a").log_odds.z < of("8k").log_odds.z);
        assert_eq!((of("8k").share, of("8k").plain_count), (1.0, 0));
    }

    proptest! {
        #[test]
        fn every_number_is_finite(
            prompts in prop::collection::vec("[a-c ,]{0,12}", 0..5),
            plain in prop::collection::vec("[b-d ,]{0,12}", 0..5),
            prior in 0.001_f64..1e6,
        ) {
            let counts =
                |texts: &[String]| NgramCounts::of(texts.iter().map(String::as_str));
            let options = StyleWordOptions { min_count: 1, prior, ..StyleWordOptions::default() };
            for word in style_words(&counts(&prompts), &counts(&plain), options) {
                prop_assert!(word.log_odds.z.is_finite(), "{word:?}");
                prop_assert!(word.log_odds.log_odds.is_finite(), "{word:?}");
            }
        }
    }
}
