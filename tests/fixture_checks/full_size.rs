//! `full_scores.json`: the full-size checkpoint, where one is given.

use std::path::Path;

use hps_core::Prompt;
use hps_loop::{DecodeOptions, ResizePolicy, Scorer, decode_file};
use serde::Deserialize;

use crate::place;

const TOLERANCE: f32 = 5e-6;

#[derive(Deserialize)]
struct Full {
    prompts: Vec<String>,
    files: Vec<String>,
    antialias: Vec<Vec<f32>>,
    #[serde(rename = "no-antialias")]
    no_antialias: Vec<Vec<f32>>,
}

#[test]
fn the_full_size_model_scores_as_the_reference() {
    let Some(expected) = place::json::<Full>("reward", "full_scores.json") else { return };
    let Some(checkpoint) = std::env::var_os("HPS_FULL_CHECKPOINT") else {
        return place::skip("reward/full_scores.json", "HPS_FULL_CHECKPOINT is not set");
    };
    for (policy, scores) in [
        (ResizePolicy::Antialias, &expected.antialias),
        (ResizePolicy::NoAntialias, &expected.no_antialias),
    ] {
        let scorer = Scorer::builder()
            .reward("hps-v2.1")
            .weights(Path::new(&checkpoint).display().to_string())
            .preprocess(policy)
            .build()
            .unwrap_or_else(|error| panic!("{}", error.full_message()));
        for (file, scores) in expected.files.iter().zip(scores) {
            let path = place::folder("reward").join("images").join(file);
            let image = decode_file(&path, &DecodeOptions::default()).expect("a picture").image;
            let prompts: Vec<Prompt> =
                expected.prompts.iter().map(|p| Prompt::from(p.as_str())).collect();
            // One batch, so that each picture runs through the tower once.
            let pairs: Vec<_> = prompts.iter().map(|prompt| (&image, prompt)).collect();
            for (ours, &score) in scorer.score_batch(&pairs).into_iter().zip(scores) {
                let ours = ours.expect("a score");
                let difference = (ours - score).abs();
                println!("{policy:?} {file}: {ours} against {score}, difference {difference:e}");
                assert!(difference <= TOLERANCE, "{file} differs by {difference:e}");
            }
        }
    }
}
