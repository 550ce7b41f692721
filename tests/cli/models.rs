//! `models list`, `models pull`, `models verify`.

use insta::assert_snapshot;

use crate::harness::{Sandbox, fixtures, keys};

#[test]
fn the_list_is_a_table() {
    assert_snapshot!("models_list", Sandbox::new().hps("models list").expect(0).shown());
}

#[test]
fn the_list_is_json() {
    let document = Sandbox::new().hps("models list --format json").expect(0).json();
    assert_eq!(keys(&document), ["bundled", "models"]);
    let name = |model: &serde_json::Value| model["name"].as_str().unwrap().to_owned();
    let bundled: Vec<String> = document["bundled"].as_array().unwrap().iter().map(name).collect();
    assert_eq!(bundled, ["bundled:demo-generator", "bundled:demo-reward"]);
    for model in document["bundled"].as_array().unwrap() {
        assert!(model["title"].as_str().unwrap().contains("NOT trained"), "{model}");
    }
    let models = document["models"].as_array().unwrap();
    let names: Vec<String> = models.iter().map(name).collect();
    for known in ["hps-v2.0", "hps-v2.1", "clip-score", "pickscore", "aesthetic", "sd-turbo"] {
        assert!(names.contains(&known.to_owned()), "{known}");
    }
    for model in models {
        assert!(!model["licence"].as_str().unwrap().is_empty(), "{model}");
        assert!(!model["files"].as_array().unwrap().is_empty(), "{model}");
        assert_eq!(model["cached"], false, "{model}");
    }
}

#[test]
fn pull_says_what_it_cannot_do() {
    let sandbox = Sandbox::new();
    let lines = [
        "hps-v2.1 --offline",
        "hps-v2 --offline",
        "bundled:demo-reward",
        "./file.pt",
        "hub:owner/name/file.pt --offline",
    ];
    let say = |line: &&str| {
        let shown = sandbox.hps("models pull").args(line.split(' ')).refused().shown();
        format!("$ {line}\n{shown}\n")
    };
    assert_snapshot!("models_pull", lines.iter().map(say).collect::<String>());
}

#[test]
fn verify_reads_models_completely() {
    let sandbox = Sandbox::new();
    let reward = fixtures("reward");
    let command = sandbox.hps("models verify bundled:demo-reward bundled:demo-generator");
    let outcome = command.arg(reward.join("hps-tiny-hf")).expect(0);
    assert_eq!(outcome.stdout.lines().count(), 3, "{outcome:?}");
    assert_eq!(outcome.stdout.matches("sha256").count(), 3, "{outcome:?}");
}

#[test]
fn verify_goes_on_after_a_failure() {
    let sandbox = Sandbox::new();
    let reward = fixtures("reward");
    let command = sandbox.hps("models verify --reward hps-v2.1 missing.pt --arch");
    let outcome =
        command.args([reward.join("hps-tiny.json"), reward.join("hps-tiny.pt")]).expect(1);
    assert!(outcome.stdout.contains("fits hps-v2.1"), "{outcome:?}");
    assert!(outcome.stderr.contains("missing.pt"), "{outcome:?}");
    sandbox.hps("models verify missing.pt").refused();
}
