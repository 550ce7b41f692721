//! Several rewards as one score.

use insta::assert_snapshot;
use serde_json::Value;

use crate::files::gradient_ppm;
use crate::harness::{Hps, Sandbox, keys, score};

/// The options of two rewards.
const BOTH: &str = "--reward hps-v2.1,clip-score";

/// `score` of four pictures with the small weights for each of `rewards`.
fn score_by(rewards: &[&str], words: &str) -> Hps {
    let sandbox = Sandbox::new();
    for seed in 0..4 {
        sandbox.write(&format!("{seed}.ppm"), gradient_ppm(24 + 8 * seed, 30, 3 * seed));
    }
    let command = sandbox.hps("score --prompt fox 0.ppm 1.ppm 2.ppm 3.ppm");
    let command = rewards.iter().fold(command, |command, id| command.tiny_weights(id));
    command.args(words.split_whitespace())
}

fn combined(words: &str) -> Hps {
    score_by(&["hps-v2.1", "clip-score"], words)
}

fn records(words: &str) -> Vec<Value> {
    combined(&format!("--format json {words}")).expect(0).list("results")
}

/// The raw scores of `reward`, in f64.
fn raw(records: &[Value], reward: &str) -> Vec<f64> {
    records.iter().map(|record| record["scores"][reward].as_f64().unwrap()).collect()
}

fn standardised(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    values.iter().map(|v| (v - mean) / sd).collect()
}

/// Each value's share of the others that are lower.
fn ranks(values: &[f64]) -> Vec<f64> {
    let last = (values.len() - 1) as f64;
    values.iter().map(|v| values.iter().filter(|o| *o < v).count() as f64 / last).collect()
}

#[test]
fn each_method_is_what_its_name_says() {
    for method in ["sum", "zscore", "rank", "min"] {
        let words = format!("--reward hps-v2.1=1,clip-score=0.5 --combine {method}");
        let records = records(&words);
        let (hps, clip) = (raw(&records, "hps-v2.1"), raw(&records, "clip-score"));
        let (hps, clip) = match method {
            "sum" => (hps, clip),
            "rank" => (ranks(&hps), ranks(&clip)),
            _ => (standardised(&hps), standardised(&clip)),
        };
        for (index, record) in records.iter().enumerate() {
            let (hps, clip) = (hps[index], 0.5 * clip[index]);
            let expected = if method == "min" { hps.min(clip) } else { hps + clip };
            let difference = (f64::from(score(record)) - expected).abs();
            assert!(difference < 1e-4, "{method} {index}: {difference} {record}");
        }
    }
}

#[test]
fn raw_scores_are_those_of_each_reward_alone() {
    let both = records(BOTH);
    for reward in ["hps-v2.1", "clip-score"] {
        let words = format!("--format json --reward {reward}");
        let alone = score_by(&[reward], &words).expect(0).list("results");
        for (both, alone) in both.iter().zip(&alone) {
            assert_eq!(both["scores"][reward], alone["score"]);
            assert!(alone.get("scores").is_none(), "{alone}");
        }
    }
}

#[test]
fn the_record_describes_every_part() {
    let words = "--format json --reward hps-v2.1=1,clip-score=0.5 --combine zscore";
    let reward = combined(words).expect(0).json()["reward"].clone();
    assert_eq!(keys(&reward), ["combine", "id", "parts"]);
    assert_eq!(reward["id"], "hps-v2.1=1,clip-score=0.5");
    assert_eq!(reward["combine"], "zscore");
    let parts = reward["parts"].as_array().unwrap();
    assert_eq!([&parts[0]["id"], &parts[1]["id"]], ["hps-v2.1", "clip-score"]);
    assert_eq!([&parts[0]["weight"], &parts[1]["weight"]], [1.0, 0.5]);
    assert!(parts.iter().all(|part| part["weights_sha256"].is_string()), "{parts:?}");
}

#[test]
fn csv_and_table_show_combined_scores() {
    for format in ["csv", "table", "jsonl"] {
        let words = format!("--format {format} --combine rank {BOTH} --top 1");
        let shown = combined(&words).expect(0).shown();
        assert_snapshot!(format!("score_combined_{format}"), shown);
    }
}

#[test]
fn one_arch_serves_all_rewards() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ppm", gradient_ppm(24, 24, 0));
    let weights =
        crate::harness::fixtures("reward").join("hps-tiny.safetensors").display().to_string();
    let command =
        sandbox.hps("score --prompt fox --format json --reward hps-v2.1,clip-score a.ppm");
    let weights = ["hps-v2.1", "clip-score"].map(|id| format!("--weights={id}={weights}"));
    let arch = crate::harness::fixtures("reward").join("hps-tiny.json");
    command.args(weights).arg("--arch").arg(arch).expect(0);
}
