//! Ctrl-C, kill and closed pipes: what is done is kept.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::files::gradient_ppm;
use crate::harness::{Outcome, Sandbox};
use crate::run_folder::{assert_same, candidates, manifest, names};

/// A run that takes long enough to be stopped in the middle.
const LONG_RUN: &str = "generate fox --steps 8 --best-of 12 --batch-size 1 --out";

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `count` pairs, all of the same picture.
fn pairs(sandbox: &Sandbox, count: usize) -> String {
    sandbox.write("a.ppm", gradient_ppm(200, 200, 0));
    let line = |index| format!("{{\"image\": \"a.ppm\", \"prompt\": \"fox {}\"}}\n", index % 7);
    (0..count).map(line).collect()
}

#[test]
fn a_killed_run_is_resumed_to_the_same_bytes() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.hps(LONG_RUN).arg("run").spawn();
    wait_for(&sandbox.path("run/.candidates/0002.png"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(manifest(&sandbox, "run")["status"], "running");
    assert!(candidates_on_disk(&sandbox) < 12);
    sandbox.hps(LONG_RUN).args(["run", "--resume"]).expect(0);
    sandbox.hps(LONG_RUN).arg("whole").expect(0);
    assert_same(&sandbox, "run", "whole");
}

fn candidates_on_disk(sandbox: &Sandbox) -> usize {
    sandbox.read("run/candidates.jsonl").lines().count()
}

#[test]
fn an_interrupted_run_ranks_what_is_done() {
    for name in ["INT", "TERM"] {
        let sandbox = Sandbox::new();
        let child = sandbox.hps(LONG_RUN).args(["run", "--format", "json"]).spawn();
        wait_for(&sandbox.path("run/.candidates/0001.png"));
        signal(&child, name);
        let outcome = Outcome::of(child, sandbox.path(""));
        assert_eq!(outcome.code, Some(130), "{outcome:#?}");
        assert!(outcome.stderr.contains("--out run --resume"), "{outcome:#?}");
        assert_eq!(manifest(&sandbox, "run")["status"], "interrupted");
        let drawn = candidates(&sandbox, "run");
        assert!((1..12).contains(&drawn.len()), "{drawn:?}");
        let names = names(&sandbox, "run");
        assert_eq!(names.len(), drawn.len() + 2, "{names:?}");
        assert!(names.contains(&"best.png".to_owned()), "{names:?}");
        let printed = outcome.json()["prompts"][0]["candidates"].as_array().unwrap().len();
        assert_eq!(printed, drawn.len());
        if name == "INT" {
            sandbox.hps(LONG_RUN).args(["run", "--resume"]).expect(0);
            sandbox.hps(LONG_RUN).arg("whole").expect(0);
            assert_same(&sandbox, "run", "whole");
        }
    }
}

#[test]
fn a_second_process_does_not_disturb_a_run() {
    let sandbox = Sandbox::new();
    let child = sandbox.hps(LONG_RUN).arg("run").spawn();
    wait_for(&sandbox.path("run/.candidates/0000.png"));
    let outcome = sandbox.hps(LONG_RUN).arg("run").refused();
    assert!(outcome.stderr.contains("run"), "{outcome:?}");
    // One that resumes waits for the first, then finds everything done.
    sandbox.hps(LONG_RUN).args(["run", "--resume"]).expect(0);
    let first = Outcome::of(child, sandbox.path(""));
    assert_eq!(first.code, Some(0), "{first:#?}");
    assert_eq!(candidates(&sandbox, "run").len(), 12);
    assert_eq!(manifest(&sandbox, "run")["nfe"], 12 * 8 * 2);
}

#[test]
fn an_interrupted_evaluation_goes_on_with_its_scores() {
    let sandbox = Sandbox::new();
    sandbox.write("in/a.ppm", gradient_ppm(200, 200, 0));
    sandbox.write("in/b.ppm", gradient_ppm(200, 200, 1));
    let line = |index| {
        format!(
            "{{\"prompt\": \"fox {index}\", \"images\": [\"a.ppm\", \"b.ppm\"], \"rank\": [1, 2]}}\n"
        )
    };
    sandbox.write("test.jsonl", (0..400).map(line).collect::<String>());
    let words = "eval test.jsonl --images in --reward demo --resamples 9 --format json --scores";
    let child = sandbox.hps(words).arg("scores.jsonl").spawn();
    let begun = Instant::now();
    while std::fs::metadata(sandbox.path("scores.jsonl")).map_or(0, |file| file.len()) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "no score came");
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "INT");
    let outcome = Outcome::of(child, sandbox.path(""));
    assert_eq!(outcome.code, Some(130), "{outcome:#?}");
    assert_eq!(outcome.stdout, "");
    let kept = sandbox.read("scores.jsonl").lines().count();
    assert!((1..800).contains(&kept), "{kept}");
    assert!(outcome.stderr.contains(&format!("{kept} scores are kept in scores.jsonl")));
    let resumed = sandbox.hps(words).arg("scores.jsonl").expect(0);
    let (made, known) = (800 - kept, kept);
    let scored = format!("scored {made} pictures, {known} known before");
    assert!(resumed.stderr.contains(&scored), "{resumed:?}");
    let whole = sandbox.hps(words).arg("other.jsonl").expect(0);
    assert_eq!(resumed.stdout, whole.stdout);
}

#[test]
fn interrupted_scoring_prints_what_is_done() {
    let sandbox = Sandbox::new();
    sandbox.write("pairs.jsonl", pairs(&sandbox, 2000));
    let mut child = sandbox.score("-vv --format json --pairs pairs.jsonl").spawn();
    // Messages are read until the work has begun, then all the rest.
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("scored a batch") {
        line.clear();
        assert!(messages.read_line(&mut line).unwrap() > 0, "scored no batch");
    }
    signal(&child, "INT");
    let reader = std::thread::spawn(move || {
        let mut rest = String::new();
        messages.read_to_string(&mut rest).unwrap();
        rest
    });
    let outcome = Outcome::of(child, sandbox.path(""));
    let rest = reader.join().unwrap();
    assert_eq!(outcome.code, Some(130), "{rest}");
    let document = outcome.json();
    assert_eq!(document["interrupted"], true);
    let results = document["results"].as_array().unwrap();
    assert!((1..2000).contains(&results.len()), "{}", results.len());
    assert!(results.iter().all(|result| result["score"].is_number()));
    assert!(rest.contains("interrupted before"), "{rest}");
}

#[test]
fn scores_stream_line_by_line() {
    let sandbox = Sandbox::new();
    let command = sandbox.score("--format jsonl --pairs -");
    let mut child = command.stdin(pairs(&sandbox, 2000)).spawn();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["prompt"], "fox 0");
    signal(&child, "INT");
    let rest: Vec<Value> =
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(rest.len() < 1999);
    let outcome = Outcome::of(child, sandbox.path(""));
    assert_eq!(outcome.code, Some(130), "{outcome:#?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let sandbox = Sandbox::new();
    let pairs = pairs(&sandbox, 300);
    let commands = [
        sandbox.hps("completions bash"),
        sandbox.hps("models list"),
        sandbox.hps("config show"),
        sandbox.hps("doctor"),
        sandbox.score("--format csv --pairs -").stdin(pairs.clone()),
        sandbox.score("--format json --pairs -").stdin(pairs.clone()),
        sandbox.score("--format table --pairs -").stdin(pairs.clone()),
        sandbox.score("--format jsonl --pairs -").stdin(pairs),
    ];
    for mut command in commands {
        let mut child = command.spawn();
        drop(child.stdout.take());
        let outcome = Outcome::of(child, sandbox.path(""));
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        assert!(!outcome.stderr.contains("error"), "{outcome:#?}");
    }
}
