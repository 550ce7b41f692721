//! `score` as table, JSON, JSON lines and CSV.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::{Hps, Sandbox, fixtures, keys, picture, score};

const PROMPT: &str = "an oil painting of a lighthouse at dusk";

/// Three pictures, one of which is no picture.
fn three(format: &str) -> Hps {
    let images = ["rgb.png", "bad_empty.png", "exif_orientation6.jpg"];
    Sandbox::new()
        .score(&format!("--format {format}"))
        .args(["--prompt", PROMPT])
        .args(images.map(picture))
}

/// Scores by file name, as text.
fn scores(format: &str) -> BTreeMap<String, String> {
    let output = three(format).expect(1).stdout;
    let of = |record: &Value| {
        let name = record["image"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        record.get("score").map(|score| (name, score.to_string()))
    };
    match format {
        "json" => {
            let document: Value = serde_json::from_str(&output).unwrap();
            document["results"].as_array().unwrap().iter().filter_map(of).collect()
        }
        "jsonl" => {
            let records = output.lines().map(|line| serde_json::from_str(line).unwrap());
            records.collect::<Vec<Value>>().iter().filter_map(of).collect()
        }
        _ => {
            let rows = output.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>());
            let named = rows.map(|row| (row[0].rsplit('/').next().unwrap().into(), row[2].into()));
            named.filter(|(_, score): &(String, String)| !score.is_empty()).collect()
        }
    }
}

#[test]
fn every_format_looks_as_documented() {
    for format in ["table", "json", "jsonl", "csv"] {
        assert_snapshot!(format!("score_{format}"), three(format).expect(1).shown());
    }
}

#[test]
fn scores_are_the_same_in_all_formats_and_parse_back() {
    let json = scores("json");
    assert_eq!(json.len(), 2);
    assert_eq!(json, scores("jsonl"));
    let numbers = |texts: BTreeMap<String, String>| -> BTreeMap<String, u32> {
        let parse = |text: String| text.parse::<f32>().unwrap().to_bits();
        texts.into_iter().map(|(name, text)| (name, parse(text))).collect()
    };
    assert_eq!(numbers(json.clone()), numbers(scores("csv")));
    for text in json.values() {
        // The shortest text of the `f32`, not of a wider number.
        assert_eq!(text.parse::<f32>().unwrap().to_string(), *text);
    }
}

#[test]
fn json_has_the_promised_keys_and_no_others() {
    let document = three("json").expect(1).json();
    assert_eq!(keys(&document), ["results", "reward"]);
    let reward = &document["reward"];
    assert_eq!(keys(reward), ["id", "kernel", "precision", "preprocess", "weights_sha256"]);
    assert_eq!(reward["id"], "hps-v2.1");
    assert_eq!(reward["preprocess"], "antialias");
    assert_eq!(reward["precision"], "f32");
    let digest = reward["weights_sha256"].as_str().unwrap();
    assert!(digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()), "{digest}");
    let results = document["results"].as_array().unwrap();
    assert_eq!(keys(&results[0]), ["image", "prompt", "score", "warnings"]);
    assert_eq!(keys(&results[1]), ["error", "image", "prompt"]);
    assert_eq!(keys(&results[1]["error"]), ["kind", "message"]);
    assert_eq!(keys(&results[2]["warnings"][0]), ["kind", "message"]);
    assert!(results.iter().all(|result| result["prompt"] == PROMPT));
}

#[test]
fn the_digest_is_that_of_the_file() {
    // The digest that `models verify` reads the whole file for.
    let sandbox = Sandbox::new();
    let weights = fixtures("reward").join("hps-tiny.pt");
    let verified = sandbox
        .hps("models verify --reward hps-v2.1 --arch")
        .args([fixtures("reward").join("hps-tiny.json"), weights])
        .expect(0);
    let scored = || sandbox.score("--format json --prompt x").arg(picture("small.png")).expect(0);
    // Computed the first time, found in the cache the second.
    for _ in 0..2 {
        let digest = scored().json()["reward"]["weights_sha256"].as_str().unwrap().to_owned();
        assert!(verified.stdout.contains(&digest), "{digest} {verified:?}");
    }
}

#[test]
fn scores_are_those_of_the_reference() {
    let path = fixtures("reward").join("scores.json");
    let reference: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let prompt = reference["prompts"][1].as_str().unwrap();
    let files: Vec<&str> =
        reference["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    for policy in ["antialias", "no-antialias"] {
        let results = Sandbox::new()
            .score(&format!("--format json --preprocess {policy}"))
            .args(["--prompt", prompt])
            .args(files.iter().map(|file| picture(file)))
            .expect(0)
            .list("results");
        for (file, result) in files.iter().zip(&results) {
            let expected = reference["scores"][policy][file][1].as_f64().unwrap() as f32;
            let jpeg = std::fs::read(picture(file)).unwrap().starts_with(&[0xff, 0xd8]);
            let tolerance = if jpeg { 1e-3 } else { 2e-6 };
            let difference = (score(result) - expected).abs();
            assert!(difference <= tolerance, "{file} {policy}: {difference}");
        }
    }
}

#[test]
fn csv_quotes_what_needs_it() {
    let output = Sandbox::new()
        .score("--format csv")
        .args(["--prompt", "a \"red\", old\nfox"])
        .arg(picture("small.png"))
        .expect(0);
    assert!(output.stdout.contains(",\"a \"\"red\"\", old\nfox\","), "{output:?}");
}

#[test]
fn a_table_cannot_be_broken_by_names() {
    let sandbox = Sandbox::new();
    sandbox.write("a\u{1b}[31m\n.png", std::fs::read(picture("small.png")).unwrap());
    let output = sandbox.score("--prompt x .").expect(0);
    assert_eq!(output.stdout.lines().count(), 2, "{output:?}");
    assert!(!output.stdout.contains('\u{1b}'), "{output:?}");
}
