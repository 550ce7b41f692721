//! Options of `score` that change what is read or printed.

use insta::assert_snapshot;
use serde_json::Value;

use crate::files::{gradient_ppm, plain_ppm, transparent_png};
use crate::harness::{Sandbox, picture, score};

/// Six pictures, `0.ppm` to `5.ppm`.
fn six() -> Sandbox {
    let sandbox = Sandbox::new();
    for seed in 0..6 {
        sandbox.write(&format!("{seed}.ppm"), gradient_ppm(30, 20, seed));
    }
    sandbox
}

fn results(sandbox: &Sandbox, words: &str) -> Vec<Value> {
    sandbox.score("--format json --prompt fox").args(words.split(' ')).expect(0).list("results")
}

#[test]
fn top_keeps_the_best_of_each_prompt_in_rank_order() {
    let sandbox = six();
    let mut all = results(&sandbox, "*.ppm");
    all.sort_by(|a, b| score(b).total_cmp(&score(a)));
    assert_eq!(results(&sandbox, "*.ppm --top 2"), all[..2]);
    assert_eq!(results(&sandbox, "*.ppm --top 100"), all);

    let pair = |image: usize, prompt: &str| {
        format!("{{\"image\": \"{image}.ppm\", \"prompt\": \"{prompt}\"}}\n")
    };
    let pairs: String = (0..6).map(|i| pair(i, "fox") + &pair(i, "house")).collect();
    let top = sandbox.score("--format json --top 1 --pairs -").stdin(pairs).expect(0);
    let prompts: Vec<Value> = top.list("results").iter().map(|r| r["prompt"].clone()).collect();
    assert_eq!(prompts, ["fox", "house"]);
    assert_eq!(top.list("results")[0], all[0]);
}

#[test]
fn equal_pictures_keep_the_order_given() {
    let sandbox = six();
    for name in ["b.ppm", "a.ppm"] {
        sandbox.write(name, gradient_ppm(30, 20, 0));
    }
    let top = results(&sandbox, "b.ppm a.ppm --top 2");
    assert_eq!([&top[0]["image"], &top[1]["image"]], ["b.ppm", "a.ppm"]);
}

#[test]
fn a_threshold_is_a_gate() {
    let sandbox = six();
    let scores: Vec<f32> = results(&sandbox, "*.ppm").iter().map(score).collect();
    let lowest = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let gate = |threshold: f32, extra: &str| {
        let words = format!("--prompt fox *.ppm {extra} --threshold");
        sandbox.score(&words).arg(threshold.to_string()).run().code
    };
    assert_eq!(gate(lowest, ""), Some(0));
    assert_eq!(gate(lowest.next_up(), ""), Some(3));
    // Also where the picture below is not among those printed, or one is missing.
    assert_eq!(gate(lowest.next_up(), "--top 1"), Some(3));
    assert_eq!(gate(lowest.next_up(), "missing.ppm"), Some(3));
    assert_eq!(gate(lowest, "missing.ppm"), Some(1));
    assert_eq!(gate(-1.0, ""), Some(0));
}

#[test]
fn a_background_is_put_below_transparent_pictures_on_request() {
    let sandbox = Sandbox::new();
    sandbox.write("clear.png", transparent_png(24, 16));
    for (name, colour) in [("grey", [90; 3]), ("white", [255; 3]), ("orange", [255, 128, 0])] {
        sandbox.write(&format!("{name}.ppm"), plain_ppm(24, 16, colour));
    }
    for (option, same) in
        [("", "grey"), (" --background white", "white"), (" --background #ff8000", "orange")]
    {
        let pair = results(&sandbox, &format!("clear.png {same}.ppm{option}"));
        assert_eq!(pair[0]["score"], pair[1]["score"], "{option}");
        let warned = pair[0]["warnings"].to_string().contains("alpha_dropped");
        assert_eq!(warned, option.is_empty(), "{pair:?}");
    }
}

#[test]
fn the_orientation_is_applied_on_request() {
    let turned = |option: &str| {
        let sandbox = Sandbox::new();
        let command =
            sandbox.score("--format json --prompt fox").arg(picture("exif_orientation6.jpg"));
        command.args(option.split_whitespace()).expect(0).list("results")[0].clone()
    };
    let (as_stored, upright) = (turned(""), turned("--apply-orientation"));
    assert_ne!(as_stored["score"], upright["score"]);
    assert_eq!(as_stored["warnings"][0]["kind"], "orientation_ignored");
    assert_eq!(upright["warnings"], serde_json::json!([]));
}

#[test]
fn the_resize_policy_is_recorded() {
    let document = |policy: &str| {
        let sandbox = Sandbox::new();
        sandbox.write("large.ppm", gradient_ppm(300, 200, 1));
        let words = format!("--format json --prompt fox large.ppm --preprocess {policy}");
        sandbox.score(&words).expect(0).json()
    };
    let (new, old) = (document("antialias"), document("no-antialias"));
    assert_eq!(new["reward"]["preprocess"], "antialias");
    assert_eq!(old["reward"]["preprocess"], "no-antialias");
    assert_ne!(new["results"][0]["score"], old["results"][0]["score"]);
}

#[test]
fn batches_threads_and_neighbours_change_no_score() {
    let sandbox = six();
    let reference = results(&sandbox, "*.ppm");
    for words in ["--batch-size 1", "--batch-size 3", "--batch-size 100 --threads 1", "--threads 2"]
    {
        assert_eq!(results(&sandbox, &format!("*.ppm {words}")), reference, "{words}");
    }
    for record in &reference {
        assert_eq!(
            results(&sandbox, record["image"].as_str().unwrap()),
            std::slice::from_ref(record)
        );
    }
}

#[test]
fn every_layout_of_the_weights_gives_the_same_score() {
    let scores: Vec<f32> =
        ["hps-tiny.pt", "hps-tiny.safetensors", "hps-tiny-prefixed.safetensors", "hps-tiny-hf"]
            .map(|file| {
                let reward = crate::harness::fixtures("reward");
                let weights = format!("hps-v2.1={}", reward.join(file).display());
                let command =
                    Sandbox::new().hps("score --reward hps-v2.1 --format json --prompt fox");
                let command = command.args(["--weights", &weights, "--arch"]);
                let command = command.arg(reward.join("hps-tiny.json"));
                score(&command.arg(picture("rgb.png")).expect(0).list("results")[0])
            })
            .to_vec();
    assert!(scores.iter().all(|score| (score - scores[0]).abs() <= 2e-6), "{scores:?}");
}

#[test]
fn quiet_prints_data_only() {
    let sandbox = six();
    let outcome = sandbox.score("-q --prompt fox 0.ppm missing.ppm").expect(1);
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.stdout.lines().count(), 3);
}

#[test]
fn remarks_about_the_prompt_are_shown() {
    let sandbox = six();
    let long = "a photo of a red bicycle, ".repeat(30);
    let outcome = sandbox.score("0.ppm 1.ppm --prompt").arg(&long).expect(0);
    assert_snapshot!("score_long_prompt", outcome.shown());
    let empty = sandbox.score("--format json 0.ppm --prompt").arg("").expect(0);
    assert_eq!(empty.list("results")[0]["warnings"][0]["kind"], "empty_prompt");
}

#[test]
fn debug_messages_are_on_standard_error() {
    let sandbox = six();
    let outcome = sandbox.score("-vv --format json --prompt fox 0.ppm").expect(0);
    assert!(outcome.stderr.contains("scored a batch"), "{outcome:?}");
    assert_eq!(outcome.list("results").len(), 1);
}
