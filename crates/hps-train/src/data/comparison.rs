//! What one person or many said about pictures of one prompt.

use std::sync::Arc;

use hps_core::Prompt;

/// Pictures of one prompt and which of them people prefer.
///
/// Texts are shared: HPD v2 names 430,000 pictures and 107,000 prompts in 645,000
/// comparisons.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The item's own id, or its index in the file, from 0.
    pub id: Arc<str>,
    /// What the pictures were asked for.
    pub prompt: Prompt,
    /// Picture files relative to the image folder; at least one.
    pub images: Vec<Arc<str>>,
    /// What people said about all pictures together.
    pub preference: Preference,
    /// One list of ranks per person, each as long as `images`; 1 (or 0) is best and
    /// ties are allowed. Empty where the file has none.
    pub annotations: Vec<Vec<u32>>,
    /// The model that drew each picture, where it is known: as long as `images`, or
    /// empty where none is known.
    pub generators: Vec<Option<Arc<str>>>,
}

/// A preference over `n` pictures.
#[derive(Clone, Debug, PartialEq)]
pub enum Preference {
    /// The share of each picture: `n` finite numbers of 0 and more, at least one of
    /// them above 0. `[1, 0]` prefers the first, `[0.5, 0.5]` is a tie.
    Label(Vec<f32>),
    /// The rank of each picture: smaller is better, ties are allowed. Only the order
    /// means anything.
    Rank(Vec<u32>),
}

impl Comparison {
    /// The model that drew picture `index`, where it is known.
    pub fn generator(&self, index: usize) -> Option<&str> {
        self.generators.get(index)?.as_deref()
    }
}

impl Preference {
    /// How many pictures it is about.
    pub fn len(&self) -> usize {
        match self {
            Preference::Label(label) => label.len(),
            Preference::Rank(rank) => rank.len(),
        }
    }

    /// Whether it is about no picture at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The target distribution over the pictures: `n` numbers of 0 and more that sum
    /// to 1.
    ///
    /// A label is divided by its sum. Of ranks, the best pictures share 1 equally.
    /// `smoothing` in [0, 1] mixes in the uniform distribution: 0 changes nothing.
    pub fn soft_label(&self, smoothing: f32) -> Vec<f32> {
        let mut shares: Vec<f64> = match self {
            Preference::Label(label) => label.iter().map(|&share| f64::from(share)).collect(),
            Preference::Rank(rank) => {
                let best = rank.iter().min();
                rank.iter().map(|rank| f64::from(u8::from(Some(rank) == best))).collect()
            }
        };
        let (sum, uniform) = (shares.iter().sum::<f64>(), 1.0 / shares.len() as f64);
        let smoothing = f64::from(smoothing.clamp(0.0, 1.0));
        for share in &mut shares {
            *share = (1.0 - smoothing) * *share / sum + smoothing * uniform;
        }
        shares.into_iter().map(|share| share as f32).collect()
    }

    /// The rank of each picture, smaller is better: as given, or for labels 1 plus
    /// the number of pictures with a larger share.
    pub fn ranks(&self) -> Vec<u32> {
        match self {
            Preference::Label(label) => competition_ranks(label, |a, b| a > b),
            Preference::Rank(rank) => rank.clone(),
        }
    }

    /// Whether any two pictures are equally good.
    pub fn has_tie(&self) -> bool {
        let mut ranks = self.ranks();
        ranks.sort_unstable();
        ranks.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// The pictures that nothing is better than; several where they tie.
    pub fn best(&self) -> Vec<usize> {
        let ranks = self.ranks();
        let best = ranks.iter().min();
        (0..ranks.len()).filter(|&index| ranks.get(index) == best).collect()
    }
}

/// 1 plus the number of values that are better, for each value.
pub(crate) fn competition_ranks<T: Copy>(values: &[T], better: impl Fn(T, T) -> bool) -> Vec<u32> {
    let rank = |&value: &T| values.iter().filter(|&&other| better(other, value)).count() as u32 + 1;
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_labels_share_ties() {
        let label = |values: &[f32]| Preference::Label(values.to_vec());
        let rank = |values: &[u32]| Preference::Rank(values.to_vec());
        assert_eq!(label(&[1.0, 0.0]).soft_label(0.0), [1.0, 0.0]);
        assert_eq!(label(&[1.0, 1.0]).soft_label(0.0), [0.5, 0.5]);
        assert_eq!(label(&[3.0, 1.0]).soft_label(0.0), [0.75, 0.25]);
        assert_eq!(label(&[1.0, 0.0]).soft_label(0.2), [0.9, 0.1]);
        assert_eq!(label(&[1.0, 0.0]).soft_label(1.0), [0.5, 0.5]);
        assert_eq!(rank(&[1, 2, 2]).soft_label(0.0), [1.0, 0.0, 0.0]);
        assert_eq!(rank(&[3, 0, 0, 7]).soft_label(0.0), [0.0, 0.5, 0.5, 0.0]);
        assert_eq!(rank(&[5]).soft_label(0.3), [1.0]);
    }

    #[test]
    fn labels_have_ranks() {
        assert_eq!(Preference::Label(vec![0.2, 0.5, 0.2, 0.1]).ranks(), [2, 1, 2, 4]);
        assert!(Preference::Label(vec![0.5, 0.5]).has_tie());
        assert!(!Preference::Rank(vec![3, 1, 2]).has_tie());
        assert_eq!(Preference::Rank(vec![2, 1, 1]).best(), [1, 2]);
    }
}
