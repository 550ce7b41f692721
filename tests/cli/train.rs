//! `train`: runs that are interrupted, killed, refused, and what they leave behind.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::json;

use crate::harness::{Hps, Outcome, Sandbox};

const ARCH: &str = r#"{"embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 2, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}}"#;

const CONFIG: &str = r#"
[data]
train = "pairs.jsonl"
images = "pictures"
validation = "pairs.jsonl"
[model]
init = "random"
arch = "arch.json"
[loss]
reduction = "mean"
[optimiser]
learning-rate = 0.01
warmup = 5
[run]
steps = 30
batch-size = 4
micro-batch = 3
evaluate-every = 10
checkpoint-every = 4
log-every = 1
weights-format = "f32"
out = "run"
"#;

/// 12 pairs of a bright and a dark picture, the bright one preferred; the pictures of
/// the first `broken` pairs are cut short.
fn sandbox(broken: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut lines = String::new();
    for i in 0..12usize {
        let images = [format!("bright{i}.ppm"), format!("dark{i}.ppm")];
        for (name, base) in images.iter().zip([150, 30]) {
            let mut file = b"P6 16 16 255\n".to_vec();
            file.extend((0..768).map(|k| (base + (k * (i + 3)) % 90) as u8));
            file.truncate(if i < broken { 50 } else { file.len() });
            sandbox.write(&format!("pictures/{name}"), file);
        }
        let item = json!({"id": format!("pair {i}"), "prompt": format!("light {i}"),
            "images": images, "label": [1, 0]});
        lines.push_str(&format!("{item}\n"));
    }
    sandbox.write("pairs.jsonl", lines);
    sandbox.write("arch.json", ARCH);
    sandbox.write("train.toml", CONFIG);
    sandbox
}

fn train(sandbox: &Sandbox, out: &str) -> Hps {
    sandbox.hps("train train.toml --out").arg(out)
}

fn weights(sandbox: &Sandbox, out: &str) -> [Vec<u8>; 2] {
    ["last", "best"]
        .map(|name| fs::read(sandbox.path(&format!("{out}/{name}.safetensors"))).unwrap())
}

fn records(sandbox: &Sandbox, out: &str) -> usize {
    let text = fs::read_to_string(sandbox.path(&format!("{out}/metrics.jsonl")));
    text.unwrap_or_default().lines().count()
}

/// Waits until a run has written `count` records; `false` if it ended before.
fn reaches(sandbox: &Sandbox, child: &mut Child, out: &str, count: usize) -> bool {
    let started = Instant::now();
    while records(sandbox, out) < count {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "no progress");
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

#[test]
fn killed_five_times_it_ends_with_the_same_bytes() {
    let sandbox = sandbox(0);
    train(&sandbox, "whole").expect(0);
    let mut kills = 0;
    // Records are counted from the start: in the middle of a stretch between two
    // checkpoints, right after one, and in the step after the first evaluation.
    for count in [3, 7, 11, 13, 22] {
        let mut child = train(&sandbox, "parts").spawn();
        if reaches(&sandbox, &mut child, "parts", count) {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert_eq!(kills, 5);
    train(&sandbox, "parts").expect(0);
    assert!(weights(&sandbox, "whole") == weights(&sandbox, "parts"));
    assert_eq!(records(&sandbox, "whole"), records(&sandbox, "parts"));
}

#[test]
fn threads_change_no_byte() {
    let sandbox = sandbox(0);
    train(&sandbox, "one").args(["--threads", "1"]).expect(0);
    train(&sandbox, "two").args(["--threads", "2"]).expect(0);
    assert!(weights(&sandbox, "one") == weights(&sandbox, "two"));
}

#[test]
fn what_is_printed_and_written() {
    let sandbox = sandbox(0);
    let outcome = sandbox.hps("train train.toml --steps 12").expect(0);
    let shown = outcome.shown();
    assert!(shown.contains("done after 12 steps"), "{shown}");
    assert!(shown.contains("% of 12 validation pairs"), "{shown}");
    let mut names: Vec<String> = fs::read_dir(sandbox.path("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_snapshot!(names.join("\n"));
    let report = sandbox.hps("train train.toml --steps 12 --format json").expect(0).json();
    assert_eq!(report["finished"], true);
    assert_eq!(report["step"], 12);
    // The weights score pictures as they are.
    let arch = "hps-v2.1=run/open_clip_config.json";
    let words = "score pictures/bright1.ppm --reward hps-v2.1 --weights \
        hps-v2.1=run/best.safetensors --prompt light --format json --arch";
    sandbox.hps(words).arg(arch).expect(0);
}

#[test]
fn one_broken_picture_is_skipped_and_told() {
    let sandbox = sandbox(1);
    let outcome = train(&sandbox, "run").expect(1);
    let told = "skipped comparison pair 0: ";
    assert_eq!(outcome.stderr.matches(told).count(), 1, "{outcome:#?}");
    assert!(outcome.stdout.contains("skipped: 1 comparisons"), "{outcome:#?}");
    assert!(sandbox.read("run/skipped.jsonl").contains(r#""id":"pair 0""#));
}

fn refused(sandbox: &Sandbox, settings: &[&str]) -> Outcome {
    let mut command = sandbox.hps("train train.toml");
    for setting in settings {
        command = command.arg("--set").arg(setting);
    }
    command.refused()
}

#[test]
fn what_cannot_run_says_why() {
    let good = sandbox(0);
    let mut shown = String::new();
    for settings in [
        &["data.images=nowhere"][..],
        &["data.train=nowhere.json"],
        &["model.init=nowhere.safetensors"],
        &["model.arch=train.toml"],
        &["run.batchsize=4"],
        &["run.batch-size=0"],
        &["run.epochs=2"],
        &["run.device=gpu"],
        &["data.preprocess=sharp"],
        &["steps"],
    ] {
        let outcome = refused(&good, settings);
        shown.push_str(&format!("{}\n{}\n", settings.join(" "), outcome.stderr));
    }
    let all = sandbox(12);
    shown.push_str(&refused(&all, &[]).stderr);
    assert_snapshot!(shown.replace(&all.path("").display().to_string(), "[SANDBOX]/"));
}

#[test]
fn a_loss_that_is_nan_names_step_and_comparisons() {
    let sandbox = sandbox(0);
    // One update at this rate leaves nothing finite.
    let settings = ["optimiser.learning-rate=1e38", "optimiser.warmup=0"];
    let outcome = refused(&sandbox, &settings);
    assert!(outcome.stderr.contains("error: step 2, comparisons pair "), "{outcome:#?}");
    assert!(outcome.stderr.contains("NaN"), "{outcome:#?}");
}

#[test]
fn other_settings_need_another_folder() {
    let sandbox = sandbox(0);
    train(&sandbox, "run").args(["--steps", "5"]).expect(0);
    let outcome = train(&sandbox, "run").args(["--steps", "6"]).refused();
    assert!(outcome.stderr.contains("run.steps was 5 and is 6"), "{outcome:#?}");
    let outcome = train(&sandbox, "pictures").refused();
    assert!(outcome.stderr.contains("is not empty and holds no run"), "{outcome:#?}");
}

/// Ctrl-C keeps what is done, and the same command goes on.
#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_is_done() {
    let sandbox = sandbox(0);
    train(&sandbox, "whole").expect(0);
    let mut child = train(&sandbox, "parts").spawn();
    assert!(reaches(&sandbox, &mut child, "parts", 3));
    let kill = std::process::Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    train(&sandbox, "parts").expect(0);
    assert!(weights(&sandbox, "whole") == weights(&sandbox, "parts"));
}

/// The shipped files are what the documentation says: complete and with known keys.
#[test]
fn the_shipped_training_files_can_be_read() {
    let sandbox = sandbox(0);
    for name in ["train_hps_v2", "train_small"] {
        let file = format!("{}/configs/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let outcome = sandbox.hps("train").arg(file).refused();
        let error = outcome.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(error.starts_with("error: cannot read "), "{name}: {outcome:#?}");
    }
}
