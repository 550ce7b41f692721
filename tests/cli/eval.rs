//! `eval`: how often rewards agree with people.

use insta::assert_snapshot;
use serde_json::Value;

use crate::files::gradient_ppm;
use crate::harness::{Hps, Outcome, Sandbox};

/// Pictures by three generators for `prompts` prompts.
fn pictures(prompts: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    for (index, generator) in ["a", "b", "c"].into_iter().enumerate() {
        for prompt in 0..prompts {
            let file = gradient_ppm(16, 12, 37 * index + 11 * prompt);
            sandbox.write(&format!("in/{generator}/{prompt}.ppm"), file);
        }
    }
    sandbox
}

/// A ranking of the pictures of prompt `i`.
fn ranking(i: usize, rank: [usize; 3]) -> Value {
    let images = ["a", "b", "c"].map(|generator| format!("{generator}/{i}.ppm"));
    serde_json::json!({"prompt": format!("prompt {i}"), "images": images, "rank": rank})
}

fn write(sandbox: &Sandbox, items: &[Value]) {
    let lines: Vec<String> = items.iter().map(Value::to_string).collect();
    sandbox.write("test.jsonl", lines.join("\n"));
}

fn eval(sandbox: &Sandbox, words: &str) -> Hps {
    let words = words.split_whitespace();
    sandbox.hps("eval test.jsonl --images in --resamples 200").args(words)
}

/// The raw scores that `demo` gives the pictures of prompt `i`.
fn scores(sandbox: &Sandbox, i: usize) -> Vec<f32> {
    let files = ["a", "b", "c"].map(|generator| format!("in/{generator}/{i}.ppm"));
    let words = ["--reward", "demo", "--format", "json", "--prompt"];
    let outcome = sandbox.hps("score").args(words).arg(format!("prompt {i}")).args(files).expect(0);
    outcome.list("results").iter().map(crate::harness::score).collect()
}

/// What people would have said if they were the reward, 1 is best.
fn ranks(scores: &[f32]) -> [usize; 3] {
    let rank = |score: f32| 1 + scores.iter().filter(|other| **other > score).count();
    [rank(scores[0]), rank(scores[1]), rank(scores[2])]
}

fn accuracy(outcome: &Outcome, measure: usize) -> f64 {
    let json = outcome.json();
    json["evaluation"]["measures"][measure]["rewards"][0]["value"].as_f64().unwrap()
}

#[test]
fn a_reward_agrees_with_itself_and_not_with_its_opposite() {
    let sandbox = pictures(3);
    let agreed: Vec<[usize; 3]> = (0..3).map(|i| ranks(&scores(&sandbox, i))).collect();
    for metric in ["hpd", "imagereward"] {
        let words = format!("--reward demo --format json --metric {metric}");
        let same: Vec<Value> = (0..3).map(|i| ranking(i, agreed[i])).collect();
        write(&sandbox, &same);
        assert_eq!(accuracy(&eval(&sandbox, &words).expect(0), 0), 1.0);
        let opposite: Vec<Value> =
            (0..3).map(|i| ranking(i, agreed[i].map(|rank| 4 - rank))).collect();
        write(&sandbox, &opposite);
        assert_eq!(accuracy(&eval(&sandbox, &words).expect(0), 0), 0.0);
    }
}

#[test]
fn macro_and_micro_and_people() {
    let sandbox = pictures(2);
    let [first, second] = [0, 1].map(|i| ranks(&scores(&sandbox, i)));
    // People put the reward's best picture last and tie the others.
    let best_last = second.map(|rank| if rank == 1 { 2 } else { 1 });
    let mut items = [ranking(0, first), ranking(1, best_last)];
    items[0]["annotations"] = serde_json::json!([first, first]);
    write(&sandbox, &items);
    let outcome = eval(&sandbox, "--reward demo --format json --metric imagereward").expect(0);
    // The second prompt has two strict pairs, both wrong.
    assert_eq!(accuracy(&outcome, 0), 0.5);
    assert_eq!(accuracy(&outcome, 1), 3.0 / 5.0);
    let json = outcome.json();
    let measure = &json["evaluation"]["measures"][0];
    assert_eq!(measure["human"]["value"], 1.0);
    assert_eq!(measure["human_comparisons"], 1);
}

/// Ten comparisons of which one has a broken picture, one a missing one and one is no
/// comparison.
fn flawed() -> Sandbox {
    let sandbox = pictures(10);
    let mut items: Vec<Value> =
        (0..10).map(|i| ranking(i, if i % 3 == 0 { [1, 2, 3] } else { [2, 1, 2] })).collect();
    items[4]["rank"] = serde_json::json!([1, 2]);
    write(&sandbox, &items);
    sandbox.write("in/a/7.ppm", "P6 16 12 255\ncut");
    std::fs::remove_file(sandbox.path("in/c/2.ppm")).unwrap();
    sandbox
}

#[test]
fn what_is_broken_is_skipped_and_counted() {
    let sandbox = flawed();
    let outcome = eval(&sandbox, "--reward demo").expect(1);
    assert_snapshot!("eval_text", outcome.shown());
    let json = eval(&sandbox, "--reward demo --format json").expect(1).json();
    assert_eq!(json["items"], 10);
    assert_eq!(json["evaluation"]["comparisons"], 7);
    assert_eq!(json["evaluation"]["skipped"]["unscored"], 2);
    assert_eq!(json["broken"][0]["index"], 4);
    let failed: Vec<&Value> =
        json["failures"].as_array().unwrap().iter().map(|failure| &failure["image"]).collect();
    assert_eq!(failed, ["c/2.ppm", "a/7.ppm"]);
    assert_eq!(json["failures"][0]["error"]["kind"], "not_found");
    assert_eq!(json["rewards"][0]["id"], "demo");
    assert!(json["rewards"][0]["weights_sha256"].is_string());
}

#[test]
fn csv_has_one_number_a_line() {
    let sandbox = flawed();
    let outcome = eval(&sandbox, "--reward demo --format csv").expect(1);
    assert_snapshot!("eval_csv", outcome.shown());
}

#[test]
fn several_rewards_are_compared_on_the_same_pictures() {
    let sandbox = flawed();
    let outcome = eval(&sandbox, "--reward demo --format json").tiny_reward().expect(1);
    let json = outcome.json();
    assert_eq!(json["evaluation"]["rewards"], serde_json::json!(["demo", "hps-v2.1"]));
    let difference = &json["evaluation"]["measures"][0]["differences"][0];
    assert_eq!((&difference["reward"], &difference["minus"]), (&"demo".into(), &"hps-v2.1".into()));
    let rewards = &json["evaluation"]["measures"][0]["rewards"];
    let value = |index: usize| rewards[index]["value"].as_f64().unwrap();
    let expected = value(0) - value(1);
    assert!((difference["difference"]["value"].as_f64().unwrap() - expected).abs() < 1e-12);
    let p = difference["p_value"].as_f64().unwrap();
    assert!(p > 0.0 && p <= 1.0);
    assert_eq!(json["failures"].as_array().unwrap().len(), 4);
}

#[test]
fn scores_are_kept_and_used_again() {
    let sandbox = flawed();
    let words = "--reward demo --scores scores.jsonl --format json";
    let first = eval(&sandbox, words).expect(1);
    assert!(first.stderr.contains("scored 25 pictures, 0 known before"), "{first:?}");
    let file = sandbox.read("scores.jsonl");
    assert_eq!(file.lines().count(), 25);
    let second = eval(&sandbox, words).expect(1);
    assert!(second.stderr.contains("scored 0 pictures, 25 known before"), "{second:?}");
    assert_eq!(second.stdout, first.stdout);
    // As if the program had been killed while it wrote the last ten.
    let kept: String = file.split_inclusive('\n').take(15).collect();
    sandbox.write("scores.jsonl", kept + "{\"reward\": \"de");
    let third = eval(&sandbox, words).expect(1);
    assert!(third.stderr.contains("scored 10 pictures, 15 known before"), "{third:?}");
    assert_eq!(third.stdout, first.stdout);
    assert_eq!(sandbox.read("scores.jsonl"), file);
    // Scores of another reward are none of this one.
    let other = eval(&sandbox, "--scores scores.jsonl").tiny_reward().expect(1);
    assert!(other.stderr.contains("scored 25 pictures, 0 known before"), "{other:?}");
    sandbox.write("scores.jsonl", "{}\n");
    let damaged = eval(&sandbox, words).refused();
    assert!(damaged.stderr.contains("scores.jsonl line 1 is damaged"), "{damaged:?}");
}

#[test]
fn the_seed_decides_the_intervals() {
    let sandbox = flawed();
    let run = |words: &str| {
        let command = sandbox.hps("eval test.jsonl --images in --reward demo --format csv");
        command.args(words.split(' ')).expect(1).stdout
    };
    let one = run("--seed 1 --resamples 3");
    assert_eq!(one, run("--seed 1 --resamples 3 --threads 1"));
    assert_ne!(one, run("--seed 2 --resamples 3"));
    let none = run("--resamples 0");
    let accuracy = none.lines().find(|line| line.starts_with("accuracy")).unwrap();
    assert!(accuracy.ends_with(",,,,7"), "{none}");
}

#[test]
fn what_cannot_work_is_refused() {
    let sandbox = pictures(1);
    write(&sandbox, &[ranking(0, [1, 2, 3])]);
    let cases = [
        ("", "--reward"),
        ("--reward demo --reward demo", "reward demo is named twice"),
        ("--reward demo=1,hps-v2.1=1", "a `--reward` of its own"),
        ("--reward nonsense", "nonsense"),
        ("--reward demo --weights hps-v2.1=x.pt", "the reward is demo"),
        ("--reward demo --metric bleu", "bleu"),
        (
            "--reward demo --data-format hpd-test",
            "no item of the 1 can be used; item 0: no image_path",
        ),
    ];
    for (words, message) in cases {
        let outcome = eval(&sandbox, words).refused();
        assert!(outcome.stderr.contains(message), "{outcome:?}");
    }
    let outcome = sandbox.hps("eval test.jsonl --images nowhere --reward demo").refused();
    assert!(outcome.stderr.contains("the image folder nowhere does not exist"), "{outcome:?}");
    sandbox.write("empty.json", "");
    let outcome = sandbox.hps("eval empty.json --images in --reward demo").refused();
    assert!(outcome.stderr.contains("empty.json is empty"), "{outcome:?}");
}

#[test]
fn where_no_picture_can_be_scored_there_is_no_number() {
    let sandbox = Sandbox::new();
    sandbox.write("in/notes.txt", "");
    write(&sandbox, &[ranking(0, [1, 2, 3])]);
    let outcome = eval(&sandbox, "--reward demo --format json").expect(1);
    assert_eq!(outcome.json()["evaluation"]["comparisons"], 0);
    assert_eq!(outcome.json()["evaluation"]["measures"][0]["rewards"], serde_json::json!([]));
}
