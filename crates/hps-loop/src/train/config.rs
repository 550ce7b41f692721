//! What a training file says.

use std::path::PathBuf;

use hps_core::{DeviceSpec, Error, ErrorKind, Result};
use hps_train::checkpoint::WeightsFormat;
use hps_train::lock::Lock;
use hps_train::loss::{LossKind, Reduction};
use hps_train::optimiser::AdamW;
use serde::{Deserialize, Serialize};

/// A training file. Keys that are left out have the values of HPS v2, as far as it has
/// any. Relative paths start at the folder one works in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainConfig {
    /// What is learned from.
    pub data: DataConfig,
    /// What is trained.
    pub model: ModelConfig,
    /// How much of it is trained.
    pub lock: Lock,
    /// What is minimised.
    pub loss: LossConfig,
    /// How.
    pub optimiser: OptimiserConfig,
    /// How long and how often.
    pub run: RunConfig,
}

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataConfig {
    /// The file of comparisons, in any format of [`Format`](crate::data::Format).
    pub train: PathBuf,
    /// The folder that its picture names are relative to.
    pub images: PathBuf,
    /// A file of other comparisons to measure on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<PathBuf>,
    /// The folder of their pictures; by default `images`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_images: Option<PathBuf>,
    /// How much of every label is spread over all pictures, in [0, 1].
    pub label_smoothing: f32,
    /// How pictures are resized: `antialias` or `no-antialias`.
    pub preprocess: String,
    /// Memory for decoded pictures, in bytes; 0 for none.
    pub cache_bytes: u64,
    /// Threads that decode.
    pub decode_threads: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        DataConfig {
            train: PathBuf::new(),
            images: PathBuf::new(),
            validation: None,
            validation_images: None,
            label_smoothing: 0.0,
            preprocess: "antialias".to_owned(),
            cache_bytes: 1 << 30,
            decode_threads: 1,
        }
    }
}

/// `[model]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelConfig {
    /// The weights to begin with, a file in any layout; or `random`.
    pub init: String,
    /// The architecture in open_clip's model-config form; needed for random weights
    /// and for unusual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<PathBuf>,
    /// A folder with `vocab.json` and `merges.txt`; by default OpenAI's vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<PathBuf>,
    /// The seed of random weights.
    pub seed: u64,
}

/// `[loss]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LossConfig {
    /// What the loss measures.
    pub kind: LossKind,
    /// How losses of a batch become one.
    pub reduction: Reduction,
}

/// `[optimiser]`: AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptimiserConfig {
    /// The largest learning rate.
    pub learning_rate: f64,
    /// Steps over which it rises; then it falls along half a cosine.
    pub warmup: u64,
    /// For matrices, at learning rate 1.
    pub weight_decay: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the latter.
    pub eps: f64,
    /// The largest norm of all gradients together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gradient_norm: Option<f64>,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        let AdamW { beta1, beta2, eps, weight_decay } = AdamW::default();
        let (learning_rate, warmup, max_gradient_norm) = (3.3e-6, 500, None);
        OptimiserConfig {
            learning_rate,
            warmup,
            weight_decay,
            beta1,
            beta2,
            eps,
            max_gradient_norm,
        }
    }
}

/// `[run]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunConfig {
    /// Steps in all. Either this or `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// How often every comparison is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
    /// Comparisons per step.
    pub batch_size: usize,
    /// Comparisons computed at a time; less needs less memory.
    pub micro_batch: usize,
    /// Compute each block twice instead of keeping what is in between.
    pub gradient_checkpointing: bool,
    /// The seed of the order of the data.
    pub seed: u64,
    /// Steps between evaluations; 0 for one at the end.
    pub evaluate_every: u64,
    /// Steps between checkpoints; 0 for one at the end.
    pub checkpoint_every: u64,
    /// Steps between records.
    pub log_every: u64,
    /// `f16` or `f32`: the numbers in the weights that are written.
    pub weights_format: WeightsFormat,
    /// Where the model runs.
    pub device: DeviceSpec,
    /// The folder of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
}

impl Default for RunConfig {
    fn default() -> Self {
        RunConfig {
            steps: None,
            epochs: None,
            batch_size: 128,
            micro_batch: 16,
            gradient_checkpointing: false,
            seed: 0,
            evaluate_every: 500,
            checkpoint_every: 100,
            log_every: 10,
            weights_format: WeightsFormat::default(),
            device: DeviceSpec::default(),
            out: None,
        }
    }
}

impl TrainConfig {
    /// Checks what can be checked without looking at files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] naming the key.
    pub fn check(&self) -> Result<()> {
        let TrainConfig { data, model, optimiser, run, .. } = self;
        let required = [
            ("data.train", data.train.as_os_str().is_empty()),
            ("data.images", data.images.as_os_str().is_empty()),
            ("model.init", model.init.is_empty()),
        ];
        for (key, missing) in required {
            if missing {
                return Err(wrong(format!("'{key}' is not set"))
                    .with_hint(format!("Set it in the file or with `--set {key}=…`.")));
            }
        }
        if model.init == "random" && model.arch.is_none() {
            return Err(wrong("random weights need an architecture".to_owned())
                .with_hint("Set 'model.arch' to a file in open_clip's model-config form."));
        }
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let share = |x: f64| (0.0..1.0).contains(&x);
        let norm = optimiser.max_gradient_norm;
        let bounds = [
            ("data.label-smoothing", (0.0..=1.0).contains(&data.label_smoothing), "in [0, 1]"),
            ("data.decode-threads", data.decode_threads > 0, "at least 1"),
            ("optimiser.learning-rate", positive(optimiser.learning_rate), "above 0"),
            ("optimiser.weight-decay", (0.0..).contains(&optimiser.weight_decay), "0 or more"),
            ("optimiser.beta1", share(optimiser.beta1), "in [0, 1)"),
            ("optimiser.beta2", share(optimiser.beta2), "in [0, 1)"),
            ("optimiser.eps", positive(optimiser.eps), "above 0"),
            ("optimiser.max-gradient-norm", norm.is_none_or(positive), "above 0"),
            ("run.batch-size", run.batch_size > 0, "at least 1"),
            ("run.micro-batch", run.micro_batch > 0, "at least 1"),
            ("run.steps", run.steps != Some(0), "at least 1"),
            ("run.epochs", run.epochs.is_none_or(positive), "above 0"),
        ];
        for (key, fits, expected) in bounds {
            if !fits {
                return Err(wrong(format!("'{key}' has to be {expected}")));
            }
        }
        match (run.steps, run.epochs) {
            (None, None) => Err(wrong("neither 'run.steps' nor 'run.epochs' is set".to_owned())),
            (Some(_), Some(_)) => {
                Err(wrong("'run.steps' and 'run.epochs' are both set".to_owned())
                    .with_hint("Leave one of them out: each says how long the run is."))
            }
            _ => Ok(()),
        }
    }

    /// Steps of a run over `comparisons`.
    pub fn steps(&self, comparisons: usize) -> u64 {
        let RunConfig { steps, epochs, batch_size, .. } = self.run;
        let of_epochs = |epochs: f64| (epochs * comparisons as f64 / batch_size as f64).ceil();
        steps.or(epochs.map(|epochs| of_epochs(epochs) as u64)).unwrap_or_default().max(1)
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn complete() -> TrainConfig {
        let mut config = TrainConfig::default();
        config.data.train = "t.json".into();
        config.data.images = "p".into();
        config.model.init = "w.safetensors".to_owned();
        config.run.steps = Some(4000);
        config
    }

    #[test]
    fn mistakes_name_their_key() {
        complete().check().unwrap();
        let message = |change: &dyn Fn(&mut TrainConfig)| {
            let mut config = complete();
            change(&mut config);
            config.check().unwrap_err().message().to_owned()
        };
        assert_eq!(message(&|c| c.data.images = PathBuf::new()), "'data.images' is not set");
        let random = message(&|c| c.model.init = "random".into());
        assert_eq!(random, "random weights need an architecture");
        let batch = message(&|c| c.run.batch_size = 0);
        assert_eq!(batch, "'run.batch-size' has to be at least 1");
        let beta = message(&|c| c.optimiser.beta2 = 1.0);
        assert_eq!(beta, "'optimiser.beta2' has to be in [0, 1)");
        let rate = message(&|c| c.optimiser.learning_rate = f64::NAN);
        assert_eq!(rate, "'optimiser.learning-rate' has to be above 0");
        let decay = message(&|c| c.optimiser.weight_decay = -1.0);
        assert_eq!(decay, "'optimiser.weight-decay' has to be 0 or more");
        let both = message(&|c| c.run.epochs = Some(1.0));
        assert_eq!(both, "'run.steps' and 'run.epochs' are both set");
        let neither = message(&|c| c.run.steps = None);
        assert_eq!(neither, "neither 'run.steps' nor 'run.epochs' is set");
    }

    #[test]
    fn epochs_become_steps() {
        let mut config = complete();
        assert_eq!(config.steps(10), 4000);
        (config.run.steps, config.run.epochs) = (None, Some(2.5));
        config.run.batch_size = 4;
        assert_eq!(config.steps(10), 7);
        assert_eq!(config.steps(0), 1);
    }
}
