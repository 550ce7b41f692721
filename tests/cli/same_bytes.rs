//! The same seed gives the same bytes, whatever the batch and the threads.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::Sandbox;
use crate::run_folder::{assert_same, candidates, files};

fn run(sandbox: &Sandbox, out: &str, words: &str) {
    let command = sandbox.hps("generate fox --steps 2 --out").arg(out);
    command.args(words.split_whitespace()).expect(0);
}

/// A run's records without their ranks, and its pictures, by candidate.
fn by_index(sandbox: &Sandbox, run: &str) -> BTreeMap<u64, (Value, Vec<u8>)> {
    let files = files(sandbox, run);
    let parts = candidates(sandbox, run).into_iter().map(|mut candidate| {
        let image = candidate["image"].as_str().unwrap().to_owned();
        for key in ["rank", "image"] {
            candidate.as_object_mut().unwrap().remove(key);
        }
        (candidate["candidate"].as_u64().unwrap(), (candidate, files[&image].clone()))
    });
    parts.collect()
}

#[test]
fn a_seed_decides_everything() {
    let sandbox = Sandbox::new();
    run(&sandbox, "first", "--best-of 3 --seed 5");
    run(&sandbox, "again", "--best-of 3 --seed 5");
    run(&sandbox, "other", "--best-of 3 --seed 6");
    assert_same(&sandbox, "first", "again");
    let (first, other) = (by_index(&sandbox, "first"), by_index(&sandbox, "other"));
    for index in 0..3 {
        assert_ne!(first[&index].1, other[&index].1);
        assert_ne!(first[&index].0["score"], other[&index].0["score"]);
    }
}

#[test]
fn the_default_seed_is_0() {
    let sandbox = Sandbox::new();
    run(&sandbox, "default", "");
    run(&sandbox, "zero", "--seed 0");
    assert_same(&sandbox, "default", "zero");
}

#[test]
fn fewer_candidates_are_the_first_of_more() {
    let sandbox = Sandbox::new();
    run(&sandbox, "four", "--best-of 4");
    run(&sandbox, "eight", "--best-of 8");
    let (four, mut eight) = (by_index(&sandbox, "four"), by_index(&sandbox, "eight"));
    assert_eq!(eight.len(), 8);
    eight.retain(|index, _| *index < 4);
    assert!(four == eight);
}

#[test]
fn batches_and_threads_change_nothing() {
    let sandbox = Sandbox::new();
    // With noise in every step.
    let same = "--best-of 8 --scheduler ddim --eta 0.7";
    let variants = [
        "--batch-size 1 --threads 1",
        "--batch-size 3 --threads 2",
        "--batch-size 8",
        "--threads 1",
    ];
    run(&sandbox, "reference", same);
    for (index, variant) in variants.iter().enumerate() {
        let out = format!("variant{index}");
        run(&sandbox, &out, &format!("{same} {variant}"));
        assert_same(&sandbox, "reference", &out);
    }
}

#[test]
fn every_setting_of_the_sampler_matters() {
    let sandbox = Sandbox::new();
    run(&sandbox, "default", "");
    let default = &by_index(&sandbox, "default")[&0].1;
    let settings = [
        "--steps 3",
        "--guidance-scale 2",
        "--negative-prompt blurry",
        "--scheduler euler",
        "--eta 1",
        "--width 72",
        "--seed 18446744073709551615",
    ];
    for (index, setting) in settings.iter().enumerate() {
        let out = format!("other{index}");
        let command = sandbox.hps("generate fox --out").arg(&out);
        let steps = if setting.starts_with("--steps") { "" } else { "--steps 2" };
        command.args(steps.split_whitespace()).args(setting.split(' ')).expect(0);
        assert_ne!(by_index(&sandbox, &out)[&0].1, *default, "{setting}");
    }
}
