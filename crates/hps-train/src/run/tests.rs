//! Whole runs of a tiny model.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use hps_clip::tokenizer::{Dialect, Tokenizer};
use hps_clip::{ClipConfig, TextConfig, VisionConfig};
use hps_core::{Error, ErrorKind, Result};
use serde_json::json;

use super::*;
use crate::checkpoint::WeightsFormat;
use crate::data::{Dataset, PictureSource, ReadOptions};
use crate::initial::random_parameters;
use crate::lock::Lock;
use crate::loss::{LossKind, Reduction};
use crate::model::ClipModel;
use crate::optimiser::AdamW;
use crate::schedule::Schedule;
use crate::trainer::StepOptions;

const SIZE: usize = 8;

fn config() -> ClipConfig {
    let base = ClipConfig::vit_h_14();
    let vision = VisionConfig {
        image_size: SIZE,
        patch_size: 4,
        width: 16,
        layers: 2,
        heads: 2,
        mlp_width: 32,
        ..base.vision
    };
    let text = TextConfig {
        context_length: 8,
        vocab_size: 514,
        width: 16,
        layers: 1,
        heads: 2,
        mlp_width: 32,
        ..base.text
    };
    ClipConfig { embed_dim: 8, vision, text }
}

/// Every byte, alone and at the end of a word, and the two special tokens.
fn tokenizer() -> Tokenizer {
    let shown = |byte: u32| match byte {
        33..=126 | 161..=172 | 174..=255 => char::from_u32(byte),
        0..=32 => char::from_u32(256 + byte),
        127..=160 => char::from_u32(256 + 33 + byte - 127),
        _ => char::from_u32(256 + 33 + 34),
    };
    let letters: Vec<String> =
        (0..256).map(|byte| shown(byte).map(String::from).unwrap()).collect();
    let mut words: Vec<String> = letters.clone();
    words.extend(letters.iter().map(|letter| format!("{letter}</w>")));
    words.extend(Dialect::OpenClip.special_tokens().map(str::to_owned));
    let vocabulary: BTreeMap<String, usize> =
        words.into_iter().enumerate().map(|(id, word)| (word, id)).collect();
    let json = serde_json::to_string(&vocabulary).unwrap();
    let tokenizer = Tokenizer::from_files(&json, "#version: 0.2\n", Dialect::OpenClip, 0).unwrap();
    tokenizer.with_context_length(8).unwrap()
}

/// Pictures by name: `bright-N` and `dark-N`; others cannot be read.
struct Shades;

impl PictureSource for Shades {
    fn load(&self, image: &str) -> Result<Vec<f32>> {
        let broken = || Error::new(ErrorKind::CorruptImage, format!("{image} is cut short"));
        let (shade, number) = image.split_once('-').ok_or_else(broken)?;
        let level = match shade {
            "bright" => 0.7,
            "dark" => -0.7,
            "nan" => f32::NAN,
            _ => return Err(broken()),
        };
        let phase: f32 = number.parse().unwrap();
        Ok((0..3 * SIZE * SIZE).map(|i| level + (i as f32 * phase).sin()).collect())
    }

    fn size(&self) -> usize {
        SIZE
    }
}

/// `count` pairs whose bright picture is preferred, `bad` of them with the picture
/// `other`.
fn source(count: usize, bad: usize, other: &str) -> DataSource {
    let item = |i: usize| {
        let dark = if i < bad { format!("{other}-{i}") } else { format!("dark-{i}") };
        let images = [format!("bright-{i}"), dark];
        json!({"id": format!("c{i}"), "prompt": "light", "images": images, "label": [1, 0]})
    };
    let lines: Vec<String> = (0..count).map(|i| item(i).to_string()).collect();
    let text = lines.join("\n");
    let data = Dataset::from_reader(text.as_bytes(), "x", &ReadOptions::default()).unwrap();
    DataSource { data: Arc::new(data), pictures: Arc::new(Shades) }
}

fn options() -> RunOptions {
    RunOptions {
        batch_size: 6,
        step: StepOptions {
            loss: LossKind::CrossEntropy,
            reduction: Reduction::Mean,
            micro_batch: 4,
            gradient_checkpointing: false,
            max_gradient_norm: Some(1.0),
            optimiser: AdamW::default(),
        },
        schedule: Schedule { learning_rate: 1e-2, warmup: 3, steps: 14 },
        seed: 3,
        label_smoothing: 0.1,
        evaluate_every: 5,
        checkpoint_every: 4,
        log_every: 3,
        weights_format: WeightsFormat::F32,
        decode_threads: 2,
        prefetch: 1,
    }
}

fn a_run(folder: &Path, train: DataSource) -> Run {
    let config = config();
    let mut parameters = random_parameters(&config, 5, &Device::Cpu).unwrap();
    let lock = Lock { unlocked_image_groups: Some(3), unlocked_text_layers: None };
    parameters.restrict(|name| lock.trains(&config, name));
    Run {
        folder: Folder::new(folder),
        options: options(),
        model: ClipModel::new(&config, &parameters).unwrap(),
        parameters,
        tokenizer: tokenizer(),
        train,
        validation: Some(source(9, 1, "broken")),
        manifest: Manifest { version: "1".to_owned(), settings: json!({"seed": 3}) },
        provenance: vec![("data".to_owned(), "shades".to_owned())],
        settings_text: "seed = 3".to_owned(),
    }
}

/// Sets a flag when a step or an evaluation has come.
struct StopAt<'a> {
    stop: &'a AtomicBool,
    step: u64,
    in_evaluation: bool,
}

impl TrainObserver for StopAt<'_> {
    fn on_event(&mut self, event: &TrainEvent<'_>) {
        let reached = match event {
            TrainEvent::Step { step, .. } => !self.in_evaluation && *step >= self.step,
            TrainEvent::Evaluating { .. } => self.in_evaluation,
            _ => false,
        };
        if reached {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs in `folder`, interrupted in the given ways, to the end.
fn interrupted(folder: &Path, stops: &[(u64, bool)]) -> RunSummary {
    for &(step, in_evaluation) in stops {
        let stop = AtomicBool::new(false);
        let mut observer = StopAt { stop: &stop, step, in_evaluation };
        let summary = run(a_run(folder, source(20, 2, "broken")), &stop, &mut observer).unwrap();
        assert!(!summary.finished);
    }
    run(a_run(folder, source(20, 2, "broken")), &AtomicBool::new(false), &mut ()).unwrap()
}

/// The records without what depends on the clock.
fn records(folder: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let record = |line: &str| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["time"] = json!(0);
        if let Some(train) = record["train"].as_object_mut() {
            train.remove("images_per_second");
        }
        record
    };
    text.lines().map(record).collect()
}

#[test]
fn interruptions_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let summary = interrupted(&whole, &[]);
    assert_eq!((summary.step, summary.finished, summary.skipped), (14, true, 2));
    let best = summary.best.unwrap();
    assert!(best.accuracy > 0.9, "{best:?}");
    assert_eq!(summary.last.unwrap().pairs, 8);
    assert_eq!(summary.last.unwrap().skipped, 1);
    let files = ["last.safetensors", "best.safetensors", "skipped.jsonl"];
    for stops in
        [&[(1, false)][..], &[(5, false), (9, false)], &[(0, true), (0, true), (13, false)]]
    {
        let parts = dir.path().join("parts");
        let resumed = interrupted(&parts, stops);
        assert_eq!((resumed.best, resumed.skipped), (summary.best, summary.skipped));
        for file in files {
            let (one, other) = (fs::read(whole.join(file)), fs::read(parts.join(file)));
            assert!(one.unwrap() == other.unwrap(), "{file} differs after stops at {stops:?}");
        }
        assert_eq!(records(&parts), records(&whole), "{stops:?}");
        fs::remove_dir_all(parts).unwrap();
    }
    // Typed once more, a finished run does nothing.
    let before = fs::metadata(whole.join("checkpoint.safetensors")).unwrap().modified().unwrap();
    assert!(interrupted(&whole, &[]).finished);
    let after = fs::metadata(whole.join("checkpoint.safetensors")).unwrap().modified().unwrap();
    assert_eq!(before, after);
}

#[test]
fn files_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    interrupted(&folder, &[]);
    let steps: Vec<(u64, bool)> = records(&folder)
        .iter()
        .map(|record| (record["step"].as_u64().unwrap(), record.get("validation").is_some()))
        .collect();
    let expected =
        [(3, false), (5, true), (6, false), (9, false), (10, true), (12, false), (14, false)];
    assert_eq!(steps[..7], expected);
    assert_eq!(steps[7..], [(14, true)]);
    let card = fs::read_to_string(folder.join("MODEL_CARD.md")).unwrap();
    for part in ["| data | shades |", "| steps | 14 of 14, 6 comparisons each |", "seed = 3"] {
        assert!(card.contains(part), "{card}");
    }
    let skipped = fs::read_to_string(folder.join("skipped.jsonl")).unwrap();
    assert_eq!(skipped.lines().count(), 2);
    assert!(skipped.contains(r#""id":"c0","reason":"broken-0 is cut short""#), "{skipped}");
    let arch = fs::read_to_string(folder.join("open_clip_config.json")).unwrap();
    assert_eq!(ClipConfig::from_open_clip(&arch).unwrap(), config());
    let weights = hps_weights::Checkpoint::open(folder.join("last.safetensors")).unwrap();
    weights.check(&hps_clip::clip_tensors(&config()), &[]).unwrap();
    // What is locked is as it was.
    let initial = random_parameters(&config(), 5, &Device::Cpu).unwrap();
    let name = "visual.conv1.weight";
    let before: Vec<f32> = initial.get(name).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(weights.values(name).unwrap(), before);
    assert_ne!(weights.values("visual.proj").unwrap()[0], 0.0);
}

#[test]
fn a_loss_that_is_nan_stops_with_step_and_comparisons() {
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    // One of 20: it comes in one of the first four steps.
    let error = run(a_run(dir.path(), source(20, 1, "nan")), &stop, &mut ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFinite);
    let message = error.message();
    assert!(message.starts_with("step ") && message.contains("the loss is NaN"), "{message}");
    let ids = message.split_once("comparisons ").unwrap().1.split_once(':').unwrap().0;
    assert_eq!(ids.split(' ').count(), 6);
    assert!(ids.split(' ').any(|id| id == "c0"), "{message}");
}

#[test]
fn data_that_cannot_be_read_at_all_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let error = run(a_run(dir.path(), source(20, 20, "broken")), &stop, &mut ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().starts_with("step 1: none of 6 comparisons can be read"), "{error}");
    let mut other = a_run(dir.path(), source(20, 0, ""));
    other.manifest.settings = json!({"seed": 4});
    assert_eq!(run(other, &stop, &mut ()).unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn threads_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let with = |threads: usize| {
        let folder = dir.path().join(threads.to_string());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| interrupted(&folder, &[]));
        fs::read(folder.join("last.safetensors")).unwrap()
    };
    let alone = with(1);
    assert!(alone == with(2) && alone == with(4));
}
