//! `scores.json` and `features.safetensors`: every image, prompt and resize
//! policy from every layout of the checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use hps_core::{Image, Prompt};
use hps_loop::{DecodeOptions, ResizePolicy, Scorer, decode_file};
use serde::Deserialize;

use crate::place;

/// The four layouts of the same weights.
const CHECKPOINTS: [&str; 4] =
    ["hps-tiny.pt", "hps-tiny.safetensors", "hps-tiny-prefixed.safetensors", "hps-tiny-hf"];
const TOLERANCE: f32 = 2e-6;
/// Where the decoders of JPEG differ by a few levels.
const JPEG_TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
struct Scores {
    prompts: Vec<String>,
    files: Vec<String>,
    scores: BTreeMap<String, BTreeMap<String, Vec<f32>>>,
}

struct Picture {
    name: String,
    image: Image,
    is_jpeg: bool,
}

fn pictures(files: &[String]) -> Vec<Picture> {
    let read = |name: &String| {
        let path = place::folder("reward").join("images").join(name);
        let bytes = std::fs::read(&path).expect("the fixture's picture");
        let decoded = decode_file(&path, &DecodeOptions::default()).expect("a readable picture");
        let is_jpeg = bytes.starts_with(&[0xff, 0xd8]);
        Picture { name: name.clone(), image: decoded.image, is_jpeg }
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
    for checkpoint in CHECKPOINTS {
        let Some(path) = place::find("reward", checkpoint) else { continue };
        for (name, scores) in &expected.scores {
            let scorer = scorer(&path, policy(name));
            let mut worst = [0f32; 2];
            for picture in &pictures {
                let pairs: Vec<_> = prompts.iter().map(|p| (&picture.image, p)).collect();
                let ours = scorer.score_batch(&pairs);
                for (index, score) in ours.into_iter().enumerate() {
                    let score = score.unwrap_or_else(|e| panic!("{}: {e}", picture.name));
                    let difference = (score - scores[&picture.name][index]).abs();
                    let tolerance = if picture.is_jpeg { JPEG_TOLERANCE } else { TOLERANCE };
                    let worst = &mut worst[usize::from(picture.is_jpeg)];
                    *worst = worst.max(difference);
                    let what = (checkpoint, name, &picture.name, &expected.prompts[index]);
                    assert!(difference <= tolerance, "{what:?} differs by {difference:e}");
                    checked += 1;
                }
            }
            println!("{checkpoint} {name}: worst {:e}, JPEG {:e}", worst[0], worst[1]);
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
        hps_reward::RewardOptions::default(),
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
        let tolerance = if picture.is_jpeg { 5e-3 } else { 5e-6 };
        assert!(worst < tolerance, "{}: features differ by {worst:e}", picture.name);
    }
}
