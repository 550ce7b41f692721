//! From comparisons with pictures to what the model reads.

use hps_clip::tokenizer::Tokenizer;

use crate::data::{Comparison, Dataset, Sample};
use crate::loss::Target;
use crate::trainer::Example;

/// Makes examples of comparisons.
#[derive(Clone, Debug)]
pub(super) struct ExampleMaker {
    pub(super) tokenizer: Tokenizer,
    pub(super) label_smoothing: f32,
}

impl ExampleMaker {
    /// The example of a comparison and its pictures.
    pub(super) fn example(&self, comparison: &Comparison, pictures: Vec<Vec<f32>>) -> Example {
        let encoding = self.tokenizer.encode(comparison.prompt.as_str());
        let label = comparison.preference.soft_label(self.label_smoothing);
        Example {
            ids: encoding.ids,
            end: encoding.end,
            pictures,
            target: Target { label, ranks: comparison.preference.ranks() },
        }
    }

    /// The examples of `samples` of `data`.
    pub(super) fn examples(&self, data: &Dataset, samples: Vec<Sample>) -> Vec<Example> {
        let example = |sample: Sample| {
            let comparison = data.comparisons.get(sample.index)?;
            Some(self.example(comparison, sample.pictures))
        };
        samples.into_iter().filter_map(example).collect()
    }
}
