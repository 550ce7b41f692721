//! From settings to a run: data, weights, tokenizer.

use std::path::Path;
use std::sync::Arc;

use hps_clip::tokenizer::{Dialect, Tokenizer};
use hps_clip::{ClipConfig, infer_config};
use hps_core::{Error, ErrorKind, Result};
use hps_nn::{Activation, model_error, open_device};
use hps_train::data::{self, Dataset, ReadOptions};
use hps_train::initial::random_parameters;
use hps_train::model::{ClipModel, Parameters};
use hps_train::optimiser::AdamW;
use hps_train::run::{DataSource, Folder, Manifest, Run, RunOptions};
use hps_train::schedule::Schedule;
use hps_train::trainer::StepOptions;
use hps_weights::{Checkpoint, digest};
use serde_json::{Value, json};

use super::config::{DataConfig, ModelConfig, OptimiserConfig, RunConfig, TrainConfig};
use super::pictures::CachedPictures;

/// Everything a run needs.
///
/// # Errors
///
/// When data, weights or architecture cannot be read or do not fit together.
pub(super) fn prepare(config: &TrainConfig, out: &Path) -> Result<Run> {
    let train = read_data(&config.data.train)?;
    let start = Start::load(&config.model, config.run.device)?;
    let Start { clip, mut parameters, .. } = start;
    parameters.restrict(|name| config.lock.trains(&clip, name));
    let model = ClipModel::new(&clip, &parameters).map_err(model_error)?;
    let tokenizer = tokenizer(&config.model, &clip)?;
    let options = run_options(config, train.comparisons.len())?;
    let facts = Facts {
        train_sha256: digest::file(&config.data.train)?.to_string(),
        init_sha256: start.sha256,
        comparisons: train.comparisons.len(),
    };
    let source = |data: Dataset, images: &Path| -> Result<DataSource> {
        let DataConfig { preprocess, cache_bytes, .. } = &config.data;
        let size = clip.vision.image_size;
        let pictures = CachedPictures::new(images, size, preprocess.parse()?, *cache_bytes)?;
        Ok(DataSource { data: Arc::new(data), pictures: Arc::new(pictures) })
    };
    let validation = match &config.data.validation {
        Some(file) => {
            let images = config.data.validation_images.as_ref().unwrap_or(&config.data.images);
            Some(source(read_data(file)?, images)?)
        }
        None => None,
    };
    Ok(Run {
        folder: Folder::new(out),
        options,
        model,
        parameters,
        tokenizer,
        train: source(train, &config.data.images)?,
        validation,
        manifest: Manifest {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: settings(config, &clip, &options, &facts)?,
        },
        provenance: facts.provenance(config),
        settings_text: toml::to_string(config).map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, "cannot write the settings").with_source(error)
        })?,
    })
}

fn read_data(file: &Path) -> Result<Dataset> {
    let data = data::read(file, &ReadOptions::default())?;
    if !data.comparisons.is_empty() {
        return Ok(data);
    }
    let first = data.broken.first().map_or("it has none", |item| &item.reason);
    let message = format!("{}: no comparison can be used; the first: {first}", file.display());
    Err(Error::new(ErrorKind::InvalidInput, message)
        .with_hint("`hps-loop data check` shows what is wrong with each."))
}

/// The model that a run begins with.
struct Start {
    clip: ClipConfig,
    parameters: Parameters,
    /// Of the weights' file.
    sha256: Option<String>,
}

impl Start {
    fn load(config: &ModelConfig, device: hps_core::DeviceSpec) -> Result<Self> {
        let device = open_device(device)?;
        let arch = config.arch.as_deref().map(read_architecture).transpose()?;
        if let (true, Some(clip)) = (config.init == "random", &arch) {
            let parameters = random_parameters(clip, config.seed, &device)?;
            return Ok(Start { clip: clip.clone(), parameters, sha256: None });
        }
        let checkpoint = Checkpoint::open(&config.init)?.canonical()?;
        let clip = match arch {
            Some(clip) => clip,
            None => {
                let shape = |name: &str| checkpoint.info(name).map(|info| info.shape.clone());
                infer_config(shape, Activation::Gelu).map_err(|error| {
                    error.with_hint("Set 'model.arch' to its open_clip model configuration.")
                })?
            }
        };
        let parameters = Parameters::load(&clip, &checkpoint, &device)?;
        let sha256 = Some(digest::file(&config.init)?.to_string());
        Ok(Start { clip, parameters, sha256 })
    }
}

fn read_architecture(path: &Path) -> Result<ClipConfig> {
    let json = read_text(path)?;
    ClipConfig::from_open_clip(&json).map_err(|error| error.context(path.display()))
}

fn tokenizer(config: &ModelConfig, clip: &ClipConfig) -> Result<Tokenizer> {
    let tokenizer = match &config.tokenizer {
        Some(folder) => {
            let vocabulary = read_text(&folder.join("vocab.json"))?;
            let merges = read_text(&folder.join("merges.txt"))?;
            Tokenizer::from_files(&vocabulary, &merges, Dialect::OpenClip, 0)
                .map_err(|error| error.context(folder.display()))?
        }
        None => Tokenizer::open_clip(),
    };
    let (tokens, known) = (tokenizer.vocab_size(), clip.text.vocab_size);
    if tokens > known {
        let message = format!("the tokenizer has {tokens} tokens and the model {known}");
        return Err(Error::new(ErrorKind::InvalidConfig, message)
            .with_hint("Set 'model.tokenizer' to the folder of the model's vocabulary."));
    }
    tokenizer.with_context_length(clip.text.context_length)
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot read {}: {error}", path.display())).with_source(error)
    })
}

fn run_options(config: &TrainConfig, comparisons: usize) -> Result<RunOptions> {
    let TrainConfig { data, loss, optimiser, run, .. } = config;
    let OptimiserConfig { learning_rate, warmup, max_gradient_norm, .. } = *optimiser;
    let OptimiserConfig { beta1, beta2, eps, weight_decay, .. } = *optimiser;
    let RunConfig { batch_size, micro_batch, gradient_checkpointing, seed, .. } = *run;
    let RunConfig { evaluate_every, checkpoint_every, log_every, weights_format, .. } = *run;
    Ok(RunOptions {
        batch_size,
        step: StepOptions {
            loss: loss.kind,
            reduction: loss.reduction,
            micro_batch,
            gradient_checkpointing,
            max_gradient_norm,
            optimiser: AdamW { beta1, beta2, eps, weight_decay },
        },
        schedule: Schedule { learning_rate, warmup, steps: config.steps(comparisons) },
        seed,
        label_smoothing: data.label_smoothing,
        evaluate_every,
        checkpoint_every,
        log_every,
        weights_format,
        decode_threads: data.decode_threads,
        prefetch: 1,
    })
}

/// What is known of the files.
struct Facts {
    train_sha256: String,
    init_sha256: Option<String>,
    comparisons: usize,
}

impl Facts {
    /// Rows of the model card.
    fn provenance(&self, config: &TrainConfig) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        let init = match &self.init_sha256 {
            Some(sha256) => format!("{} (sha256 {sha256})", config.model.init),
            None => format!("random, seed {}", config.model.seed),
        };
        row("weights to begin with", init);
        let (train, sha256) = (config.data.train.display(), &self.train_sha256);
        row(
            "training data",
            format!("{train}, {} comparisons (sha256 {sha256})", self.comparisons),
        );
        if let Some(validation) = &config.data.validation {
            row("validation data", validation.display().to_string());
        }
        rows
    }
}

/// Everything that the resulting weights depend on: two runs with equal settings on
/// the same machine end with equal weights.
fn settings(
    config: &TrainConfig,
    clip: &ClipConfig,
    options: &RunOptions,
    facts: &Facts,
) -> Result<Value> {
    let TrainConfig { data, model, lock, loss, optimiser, run } = config;
    let json = |value: serde_json::Result<Value>| {
        value.map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, "cannot write the settings").with_source(error)
        })
    };
    Ok(json!({
        "data": {
            "train-sha256": facts.train_sha256,
            "images": data.images,
            "label-smoothing": data.label_smoothing,
            "preprocess": data.preprocess,
        },
        "model": {
            "init-sha256": facts.init_sha256,
            "seed": facts.init_sha256.is_none().then_some(model.seed),
            "architecture": format!("{clip:?}"),
            "tokenizer": model.tokenizer,
        },
        "lock": json(serde_json::to_value(lock))?,
        "loss": json(serde_json::to_value(loss))?,
        "optimiser": json(serde_json::to_value(optimiser))?,
        "run": {
            "steps": options.schedule.steps,
            "batch-size": run.batch_size,
            "micro-batch": run.micro_batch,
            "gradient-checkpointing": run.gradient_checkpointing,
            "seed": run.seed,
            "weights-format": json(serde_json::to_value(run.weights_format))?,
            "device": run.device,
        },
    }))
}
