//! `scores.json` and `features.safetensors`: every image, prompt and resize
//! policy from every layout of the checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hps_core::{Image, Prompt};
use hps_loop::{DecodeOptions, ResizePolicy, Scorer, decode_file};
use serde::Deserialize;

use crate::place;

/// The same weights in several layouts: every file and folder but descriptions.
fn checkpoints() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place::folder("reward")).into_iter().flatten();
    let is_checkpoint = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("hps-") && !name.ends_with(".json")
    };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(is_checkpoint).collect();
    paths.sort();
    paths
}

const TOLERANCE: f32 = 2e-6;

#[derive(Deserialize)]
struct Scores {
    prompts: Vec<String>,
    files: Vec<String>,
    scores: BTreeMap<String, BTreeMap<String, Vec<f32>>>,
}

struct Picture {
    name: String,
    image: Image,
}

fn pictures(files: &[String]) -> Vec<Picture> {
    let read = |name: &String| {
        let path = place::folder("reward").join("images").join(name);
        let decoded = decode_file(&path, &DecodeOptions::default()).expect("a readable picture");
        Picture { name: name.clone(), image: decoded.image }
    };
    files.iter().map(read).collect()
}

fn scorer(checkpoint: &Path, policy: ResizePolicy) -> Scorer {
    let arch = place::folder("reward").join("hps-tiny.json");
    Scorer::builder()
        .reward("hps-v2.1")
        .weights(checkpoint.display().to_string())
        .arch(arch)
        .preprocess(policy)
        .build()
        .unwrap_or_else(|error| panic!("{}", error.full_message()))
}

fn policy(name: &str) -> ResizePolicy {
    match name {
        "antialias" => ResizePolicy::Antialias,
        "no-antialias" => ResizePolicy::NoAntialias,
        other => panic!("unknown policy {other}"),
    }
}

#[test]
fn every_score_from_every_layout() {
    let Some(expected) = place::json::<Scores>("reward", "scores.json") else { return };
    let needed = ["images", "hps-tiny.json"];
    if needed.iter().any(|name| place::find("reward", name).is_none()) {
        return;
    }
    let pictures = pictures(&expected.files);
    let prompts: Vec<Prompt> = expected.prompts.iter().map(|p| Prompt::from(p.as_str())).collect();
    let mut checked = 0;
    for path in checkpoints() {
        let checkpoint = path.file_name().unwrap().to_string_lossy().into_owned();
        for (name, scores) in &expected.scores {
            let scorer = scorer(&path, policy(name));
            let mut worst = 0f32;
            for picture in &pictures {
                let pairs: Vec<_> = prompts.iter().map(|p| (&picture.image, p)).collect();
                let ours = scorer.score_batch(&pairs);
                for (index, score) in ours.into_iter().enumerate() {
                    let score = score.unwrap_or_else(|e| panic!("{}: {e}", picture.name));
                    let difference = (score - scores[&picture.name][index]).abs();
                    worst = worst.max(difference);
                    let what = (&checkpoint, name, &picture.name, &expected.prompts[index]);
                    assert!(difference <= TOLERANCE, "{what:?} differs by {difference:e}");
                    checked += 1;
                }
            }
            println!("{checkpoint} {name}: worst {worst:e}");
        }
    }
    println!("{checked} scores");
    // A folder of somebody else may lack the checkpoints; ours does not.
    assert!(checked > 0 || std::env::var_os("HPS_FIXTURES").is_some());
}

#[test]
fn a_score_is_the_same_alone_and_in_any_batch() {
    let Some(expected) = place::json::<Scores>("reward", "scores.json") else { return };
    let needed = ["images", "hps-tiny.json"];
    if needed.iter().any(|name| place::find("reward", name).is_none()) {
        return;
    }
    let Some(path) = place::find("reward", "hps-tiny.safetensors") else { return };
    let scorer = scorer(&path, ResizePolicy::Antialias);
    let pictures = pictures(&expected.files);
    let prompts: Vec<Prompt> = expected.prompts.iter().map(|p| Prompt::from(p.as_str())).collect();
    let pairs: Vec<(&Image, &Prompt)> = pictures
        .iter()
        .flat_map(|picture| prompts.iter().map(move |prompt| (&picture.image, prompt)))
        .collect();
    let bits = |scores: Vec<hps_core::Result<f32>>| -> Vec<u32> {
        scores.into_iter().map(|score| score.expect("a score").to_bits()).collect()
    };
    let alone: Vec<u32> = pairs
        .iter()
        .map(|(image, prompt)| scorer.score(image, (*prompt).clone()).expect("a score").to_bits())
        .collect();
    for size in [2, 3, 7, 64, pairs.len()] {
        let batched: Vec<u32> =
            pairs.chunks(size).flat_map(|chunk| bits(scorer.score_batch(chunk))).collect();
        assert_eq!(batched, alone, "batches of {size}");
    }
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        assert_eq!(bits(pool.install(|| scorer.score_batch(&pairs))), alone, "{threads} threads");
    }
    let reversed: Vec<_> = pairs.iter().rev().copied().collect();
    let mut back = bits(scorer.score_batch(&reversed));
    back.reverse();
    assert_eq!(back, alone, "in reverse order");
}

#[test]
fn features_are_those_of_the_reference() {
    let Some(path) = place::find("reward", "features.safetensors") else { return };
    let Some(weights) = place::find("reward", "hps-tiny.safetensors") else { return };
    let Some(expected) = place::json::<Scores>("reward", "scores.json") else { return };
    let needed = ["images", "hps-tiny.json"];
    if needed.iter().any(|name| place::find("reward", name).is_none()) {
        return;
    }
    let device = candle_core::Device::Cpu;
    let features = candle_core::safetensors::load(&path, &device).expect("readable features");
    let arch =
        std::fs::read_to_string(place::folder("reward").join("hps-tiny.json")).expect("arch");
    let weights = hps_reward::RewardWeights {
        clip: hps_weights::Checkpoint::open(&weights).expect("a checkpoint"),
        config: Some(hps_clip::ClipConfig::from_open_clip(&arch).expect("an architecture")),
        head: None,
    };
    let reward = hps_reward::ClipReward::load(
        hps_reward::RewardKind::HpsV21,
        &weights,
        hps_reward::RewardOptions { precision: hps_core::Precision::F32, ..Default::default() },
    )
    .expect("a reward");
    let prompts: Vec<Prompt> = expected.prompts.iter().map(|p| Prompt::from(p.as_str())).collect();
    let ours = reward.text_features(&prompts.iter().collect::<Vec<_>>()).expect("features");
    let theirs = features["text_features"].to_vec2::<f32>().expect("a matrix");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(worst < 5e-6, "text features differ by {worst:e}");
    }
    let theirs = features["image_features_antialias"].to_vec2::<f32>().expect("a matrix");
    for (picture, theirs) in pictures(&expected.files).iter().zip(&theirs) {
        let size = reward.clip().vision().config().image_size;
        let pixels =
            hps_reward::preprocess::longest_side(&picture.image, size, ResizePolicy::Antialias);
        let ours = reward.image_features(&[&pixels]).expect("features");
        let worst = ours[0].iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(worst < 5e-6, "{}: features differ by {worst:e}", picture.name);
    }
}
