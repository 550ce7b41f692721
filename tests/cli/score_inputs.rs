//! What `score` takes: files, globs, folders, standard input, pairs.

use insta::assert_snapshot;

use crate::files::gradient_ppm;
use crate::harness::{Hps, Outcome, Sandbox, picture};

/// Three pictures and a text in the folder `in`, and a picture in a folder below.
fn folder() -> Sandbox {
    let sandbox = Sandbox::new();
    for (seed, name) in ["b.ppm", "a.PPM", "c.pnm", "deep/d.ppm"].into_iter().enumerate() {
        sandbox.write(&format!("in/{name}"), gradient_ppm(20, 10, seed));
    }
    sandbox.write("in/notes.txt", "not a picture");
    sandbox
}

/// The names of the results, in order.
fn images(outcome: &Outcome) -> Vec<String> {
    let results = outcome.list("results");
    results.iter().map(|result| result["image"].as_str().unwrap().to_owned()).collect()
}

fn json(sandbox: &Sandbox, words: &str) -> Hps {
    sandbox.score("--format json").args(words.split_whitespace())
}

#[test]
fn files_keep_their_order_and_may_repeat() {
    let outcome = json(&folder(), "--prompt x in/c.pnm in/b.ppm in/c.pnm").expect(0);
    assert_eq!(images(&outcome), ["in/c.pnm", "in/b.ppm", "in/c.pnm"]);
    let results = outcome.list("results");
    assert_eq!(results[0]["score"], results[2]["score"]);
    assert_ne!(results[0]["score"], results[1]["score"]);
}

#[test]
fn a_folder_means_its_pictures_by_name() {
    let outcome = json(&folder(), "--prompt x in").expect(0);
    assert_eq!(images(&outcome), ["in/a.PPM", "in/b.ppm", "in/c.pnm"]);
}

#[test]
fn globs_are_expanded_where_the_shell_has_not() {
    let sandbox = folder();
    let outcome = json(&sandbox, "--prompt x in/*.ppm in/**/d.*").expect(0);
    assert_eq!(images(&outcome), ["in/b.ppm", "in/deep/d.ppm"]);
    // A file whose name looks like a pattern is that file.
    sandbox.write("[1].ppm", gradient_ppm(20, 10, 9));
    assert_eq!(images(&json(&sandbox, "--prompt x [1].ppm").expect(0)), ["[1].ppm"]);
}

#[test]
fn what_matches_nothing_is_one_error_record_each() {
    let sandbox = folder();
    sandbox.write("empty/notes.txt", "");
    let outcome = json(&sandbox, "--prompt x *.webp in/b.ppm empty in/[.ppm").expect(1);
    assert_eq!(images(&outcome), ["*.webp", "in/b.ppm", "empty", "in/[.ppm"]);
    assert_snapshot!("score_inputs_no_match", outcome.shown());
}

#[test]
fn names_come_from_standard_input() {
    let sandbox = folder();
    let outcome = json(&sandbox, "--prompt x -").stdin("in/b.ppm\n\nin/a.PPM\n").expect(0);
    assert_eq!(images(&outcome), ["in/b.ppm", "in/a.PPM"]);
}

#[test]
fn nothing_to_score_is_no_success() {
    let sandbox = folder();
    // Above all no gate that is passed.
    for words in ["--prompt x - --threshold 0.9", "--pairs -"] {
        let outcome = json(&sandbox, words).stdin("\n").refused();
        assert!(outcome.stderr.contains("nothing to score"), "{outcome:?}");
    }
}

#[test]
fn pairs_have_a_prompt_each() {
    let sandbox = folder();
    sandbox.write(
        "pairs.jsonl",
        "{\"image\": \"in/b.ppm\", \"prompt\": \"a fox\"}\n\n\
         {\"image\": \"in/b.ppm\", \"prompt\": \"a house\"}\n\
         {\"prompt\": \"a fox\", \"image\": \"in/c.pnm\"}",
    );
    let outcome = json(&sandbox, "--pairs pairs.jsonl").expect(0);
    let results = outcome.list("results");
    let prompts: Vec<_> = results.iter().map(|result| &result["prompt"]).collect();
    assert_eq!(prompts, ["a fox", "a house", "a fox"]);
    // Each as if it had been scored alone.
    for (words, result) in [("fox in/b.ppm", 0), ("house in/b.ppm", 1), ("fox in/c.pnm", 2)]
        .map(|(w, i)| (w, &results[i]))
    {
        let (noun, image) = words.split_once(' ').unwrap();
        let prompt = format!("a {noun}");
        let alone = json(&sandbox, image).args(["--prompt", &prompt]).expect(0);
        assert_eq!(alone.list("results")[0]["score"], result["score"], "{words}");
    }
}

#[test]
fn a_bad_line_of_pairs_is_one_error_record() {
    let sandbox = folder();
    let lines = [
        r#"{"image": "in/b.ppm", "prompt": "a fox"}"#,
        r#"{"image": "in/b.ppm"}"#,
        r#"{"image": "in/b.ppm", "prompt": "a fox", "weight": 2}"#,
        r#"{"image": "in/b.ppm", "prompt": 3}"#,
        r#"{"image": "in", "prompt": "a fox"}"#,
        "in/b.ppm a fox",
        r#"{"image": "in/a.PPM", "prompt": "a fox"}"#,
    ];
    let outcome = json(&sandbox, "--pairs -").stdin(lines.join("\n")).expect(1);
    let results = outcome.list("results");
    assert_eq!(results.len(), lines.len());
    let scored: Vec<bool> = results.iter().map(|result| result["score"].is_number()).collect();
    // More than the two fields is fine: data sets have ids.
    assert_eq!(scored, [true, false, true, false, false, false, true]);
    assert_snapshot!("score_inputs_bad_pairs", outcome.shown());
}

#[test]
fn bytes_that_are_no_text_are_one_error_record() {
    let sandbox = folder();
    let lines = b"\xff\xfe\n{\"image\": \"in/b.ppm\", \"prompt\": \"x\"}\n";
    let outcome = json(&sandbox, "--pairs -").stdin(*lines).expect(1);
    assert_eq!(images(&outcome), ["<stdin>:1", "in/b.ppm"]);
}

#[test]
fn pictures_with_any_ending_are_recognised_by_content() {
    let sandbox = Sandbox::new();
    sandbox.write("picture", std::fs::read(picture("rgb.png")).unwrap());
    sandbox.write("picture.txt", std::fs::read(picture("rgb.png")).unwrap());
    let results = json(&sandbox, "--prompt x picture picture.txt").expect(0).list("results");
    assert_eq!(results[0]["score"], results[1]["score"]);
}
