//! `data check`: what is in a file of comparisons, and what is wrong with it.

use insta::assert_snapshot;

use crate::files::gradient_ppm;
use crate::harness::{Hps, Sandbox};

/// Three pictures each by the generators `a` and `b`.
pub fn pictures() -> Sandbox {
    let sandbox = Sandbox::new();
    for (index, generator) in ["a", "b"].into_iter().enumerate() {
        for picture in 0..3 {
            let file = gradient_ppm(16, 16, 10 * index + picture);
            sandbox.write(&format!("in/{generator}/{picture}.ppm"), file);
        }
    }
    sandbox
}

fn check(sandbox: &Sandbox, words: &str) -> Hps {
    sandbox.hps("data check").args(words.split_whitespace())
}

/// A comparison of picture `i` of both generators.
pub fn pair(i: usize) -> String {
    format!(
        "{{\"prompt\": \"prompt {i}\", \"images\": [\"a/{i}.ppm\", \"b/{i}.ppm\"], \
         \"label\": [1, 0]}}"
    )
}

fn three_pairs() -> String {
    (0..3).map(pair).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_sound_file_is_described() {
    let sandbox = pictures();
    sandbox.write("pairs.jsonl", three_pairs());
    let outcome = check(&sandbox, "pairs.jsonl --images in --decode all").expect(0);
    assert_snapshot!("data_check_sound", outcome.shown());
}

#[test]
fn every_flaw_is_counted_and_named() {
    let sandbox = pictures();
    let lines = [
        pair(0),
        r#"{"id": "x", "prompt": "p", "images": ["a/0.ppm", "b/1.ppm"], "rank": [1, 1]}"#
            .to_owned(),
        r#"{"id": "x", "prompt": "p", "images": ["a/0.ppm", "b/1.ppm"], "rank": [1, 2]}"#
            .to_owned(),
        r#"{"prompt": "p", "images": ["a/0.ppm", "b/1.ppm"], "label": [1]}"#.to_owned(),
        r#"{"prompt": "p", "images": ["a/0.ppm", "b/1.ppm"], "label": [NaN, 1]}"#.to_owned(),
        r#"{"prompt": "p", "images": [], "label": []}"#.to_owned(),
        r#"{"images": ["a/0.ppm"], "label": [1]}"#.to_owned(),
        r#"{"prompt": "p", "images": ["a/1.ppm", "a/none.ppm"], "rank": [1, 2]}"#.to_owned(),
        r#"{"prompt": "p", "images": ["a/1.ppm", "b/text.ppm"], "rank": [2, 1], "extra": 1}"#
            .to_owned(),
    ];
    sandbox.write("pairs.jsonl", lines.join("\n"));
    sandbox.write("in/b/text.ppm", "no picture");
    let outcome = check(&sandbox, "pairs.jsonl --images in").expect(1);
    assert_snapshot!("data_check_flaws", outcome.shown());

    let json = check(&sandbox, "pairs.jsonl --images in --format json").expect(1).json();
    assert_eq!(json["items"], 9);
    assert_eq!(json["usable"], 2);
    let broken: Vec<u64> = json["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|broken| broken["index"].as_u64().unwrap())
        .collect();
    assert_eq!(broken, [2, 3, 4, 5, 6]);
    assert_eq!(json["duplicates"]["ids"], 1);
    assert_eq!(json["bad_images"][0]["image"], "a/none.ppm");
    assert_eq!(json["bad_images"][0]["missing"], true);
    assert_eq!(json["bad_images"][1]["missing"], false);
}

#[test]
fn pictures_are_looked_at_as_closely_as_asked() {
    let sandbox = pictures();
    sandbox.write("pairs.jsonl", three_pairs());
    sandbox.write("in/a/0.ppm", "P6 16 16 255\ncut");
    sandbox.write("in/a/1.ppm", "text");
    for (decode, bad) in [("none", 0), ("headers", 1), ("all", 2)] {
        let words = format!("pairs.jsonl --images in --format json --decode {decode}");
        let outcome = check(&sandbox, &words).run();
        assert_eq!(outcome.list("bad_images").len(), bad, "{decode}");
        assert_eq!(outcome.code, Some(i32::from(bad > 0)), "{decode}");
    }
}

#[test]
fn the_gate_fails_above_its_share() {
    let sandbox = pictures();
    let mut lines: Vec<String> = (0..3).map(pair).collect();
    lines.push("broken".to_owned());
    sandbox.write("pairs.jsonl", lines.join("\n"));
    check(&sandbox, "pairs.jsonl --images in").expect(1);
    check(&sandbox, "pairs.jsonl --images in --max-broken 0.25").expect(0);
    let outcome = check(&sandbox, "pairs.jsonl --images in --max-broken 0.2").expect(3);
    assert!(outcome.stderr.contains("25.00 % are broken, more than 20.00 %"), "{outcome:?}");
    check(&sandbox, "pairs.jsonl --images in --max-broken 2").refused();
}

#[test]
fn every_format_is_recognised() {
    let sandbox = pictures();
    let files = [
        (
            "hpd-train",
            r#"[{"prompt": "p", "file_path": ["a/0.ppm", "b/0.ppm"], "human_preference": [1, 0]}]"#,
        ),
        (
            "hpd-test",
            r#"[{"prompt": "p", "image_path": ["a/0.ppm", "b/0.ppm"], "rank": [1, 2],
            "raw_annotations": [{"rank": [1, 2], "user_hash": "x"}]}]"#,
        ),
        (
            "image-reward",
            r#"[{"id": "7", "prompt": "p", "generations": ["a/0.ppm", "b/0.ppm"], "ranking": [1, 1]}]"#,
        ),
        ("plain", r#"[{"prompt": "p", "images": ["a/0.ppm", "b/0.ppm"], "rank": [1, 2]}]"#),
    ];
    for (format, text) in files {
        sandbox.write("data.json", text);
        let json = check(&sandbox, "data.json --images in --format json").expect(0).json();
        assert_eq!(json["format"], format);
    }
    // Where the format is said, other items are broken.
    let outcome = check(&sandbox, "data.json --images in --data-format hpd-train").expect(1);
    assert!(outcome.stdout.contains("item 0: no file_path"), "{outcome:?}");
    let outcome = check(&sandbox, "data.json --images in --data-format csv").refused();
    assert!(outcome.stderr.contains("hint: The formats are hpd-train"), "{outcome:?}");
}

#[test]
fn what_is_no_data_is_refused() {
    let sandbox = pictures();
    let cases = [
        ("", "is empty"),
        ("[]", "has no items"),
        ("prompt,image\n", "is not JSON"),
        ("[{\"prompt\": \"p\"", "ends in the middle of item 0"),
        ("{\"a\": 1}", "has no item of a known format"),
    ];
    for (text, message) in cases {
        sandbox.write("data.json", text);
        let outcome = check(&sandbox, "data.json --images in").refused();
        assert!(outcome.stderr.contains(message), "{outcome:?}");
    }
    sandbox.write("data.json", three_pairs());
    let outcome = check(&sandbox, "data.json --images nowhere").refused();
    assert!(outcome.stderr.contains("the image folder nowhere does not exist"), "{outcome:?}");
    let outcome = check(&sandbox, "none.json --images in").refused();
    assert!(outcome.stderr.contains("cannot read none.json"), "{outcome:?}");
}
