//! `prompts stats` and `prompts clean` by rules.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::Sandbox;

const PROMPTS: &str = "a red fox in the snow, trending on artstation, 8k
a castle on a hill, by greg rutkowski, trending on artstation, highly detailed
a man on a bicycle
masterpiece, best quality
a boat --ar 16:9 --v 5
";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn style_words_are_found_in_every_format() {
    let sandbox = Sandbox::new();
    let prompts: Vec<&str> = PROMPTS.lines().collect();
    sandbox.write("p.txt", PROMPTS);
    sandbox.write("p.json", json!(prompts).to_string());
    let objects = prompts.iter().map(|prompt| format!("{}\n", json!({"prompt": prompt})));
    sandbox.write("p.jsonl", objects.collect::<String>());
    let rows = prompts.iter().map(|prompt| format!("1,\"{prompt}\"\n"));
    sandbox.write("p.csv", format!("id,text\n{}", rows.collect::<String>()));
    let stats = |words: &str| sandbox.hps("prompts stats --format json").args(words.split(' '));
    let expected = stats("p.txt").expect(0).json();
    assert_eq!(expected["ngrams"].as_array().unwrap().len(), 8, "{expected:#}");
    for words in ["p.json", "p.jsonl", "p.csv --column text"] {
        assert_eq!(stats(words).expect(0).json(), expected, "{words}");
    }
    let stdin = stats("- --input-format text").stdin(PROMPTS).expect(0).json();
    assert_eq!(stdin, expected);
    assert_snapshot!("prompts_stats", sandbox.hps("prompts stats p.txt").expect(0).shown());
    let csv = sandbox.hps("prompts stats p.txt --format csv --words 1 --sort count").expect(0);
    assert!(csv.stdout.starts_with("ngram,n,count,share,"), "{csv:?}");
    let against = sandbox.hps("prompts stats p.txt --against p.csv --column text --format json");
    let same = against.expect(0).json();
    let z = |word: &Value| word["z"].as_f64().unwrap().abs();
    assert!(same["ngrams"].as_array().unwrap().iter().all(|word| z(word) < 1e-9), "{same:#}");
}

#[test]
fn broken_lines_are_reported_and_passed_over() {
    let sandbox = Sandbox::new();
    sandbox.write("p.jsonl", "{\"prompt\": \"a fox, 8k\"}\n{\"text\": 1}\nnonsense\n");
    let stats = sandbox.hps("prompts stats p.jsonl --min-count 1").expect(1);
    assert!(stats.stderr.contains("p.jsonl, line 2: no prompt"), "{stats:?}");
    let clean = sandbox.hps("prompts clean p.jsonl").expect(1);
    let records = lines(&clean.stdout);
    assert_eq!(records[0]["prompt"], "a fox");
    assert_eq!(records[1]["error"]["kind"], "invalid_input");
    assert_eq!((records.len(), &records[2]["line"]), (3, &json!(3)));
}

#[test]
fn what_cannot_work_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("p.csv", "id,text\n1,a\n");
    sandbox.write("empty.txt", "\n");
    sandbox.write("rules.toml", "rule = 1");
    for (words, part) in [
        ("stats missing.txt", "cannot read prompts from missing.txt"),
        ("stats empty.txt", "has no prompts"),
        ("stats p.csv", "Name one with --column; there are: id, text."),
        ("stats p.csv --input-format yaml", "Formats of prompts are"),
        ("stats p.csv --words 4", "--words"),
        ("clean p.csv --column text --keep artists", "Categories are artist"),
        ("clean p.csv --rules rules.toml", "not a list of rules"),
        ("clean", "<FILE>"),
        ("clean empty.txt --out empty.txt --overwrite", "the file of prompts itself"),
        ("clean p.csv --column text --out rules.toml", "rules.toml has something else in it"),
        ("clean p.csv --endpoint http://127.0.0.1:9/v1 --out x", "--model"),
        ("clean p.csv --endpoint http://127.0.0.1:9/v1 --model m", "--out"),
        ("clean p.csv --model m --out x", "--endpoint"),
    ] {
        let outcome = sandbox.hps(&format!("prompts {words}")).refused();
        assert!(outcome.stderr.contains(part), "{part}: {outcome:#?}");
    }
}

#[test]
fn rules_clean_and_count() {
    let sandbox = Sandbox::new();
    sandbox.write("p.txt", PROMPTS);
    let outcome = sandbox.hps("prompts clean p.txt --out c.jsonl --top 5").expect(1);
    assert_snapshot!("prompts_clean", outcome.shown());
    let records = lines(&sandbox.read("c.jsonl"));
    let prompts: Vec<&str> =
        records.iter().map(|record| record["prompt"].as_str().unwrap_or("-")).collect();
    assert_eq!(
        prompts,
        ["a red fox in the snow", "a castle on a hill", "a man on a bicycle", "-", "a boat"]
    );
    assert_eq!(records[0]["original"], PROMPTS.lines().next().unwrap());
    assert_eq!(records[0]["rules"], json!(["resolution", "trending"]));
    assert_eq!(records[3]["error"]["message"], "nothing but function words");
    // The result is itself a file of prompts, and clean.
    let stats = sandbox.hps("prompts stats c.jsonl --format json").expect(1).json();
    assert_eq!((&stats["prompts"], &stats["broken"]), (&json!(4), &json!(1)));
    let again = sandbox.hps("prompts clean c.jsonl").expect(1);
    assert_eq!(again.stdout.matches("\"rules\"").count(), 0, "{again:?}");
}

#[test]
fn the_same_command_changes_nothing_and_another_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("p.txt", PROMPTS);
    let clean = |words: &str| {
        sandbox
            .hps("prompts clean --format json p.txt --out c.jsonl")
            .args(words.split_whitespace())
    };
    let first = clean("").expect(1).json();
    assert_eq!(
        (&first["prompts"], &first["changed"], &first["failed"]),
        (&json!(5), &json!(3), &json!(1))
    );
    let bytes = sandbox.read("c.jsonl");
    assert_eq!(clean("").expect(1).json(), first);
    // A process that was killed may leave a torn last line.
    sandbox.write("c.jsonl", &bytes[..bytes.len() - 10]);
    assert_eq!(clean("").expect(1).json(), first);
    assert_eq!(sandbox.read("c.jsonl"), bytes);
    let refused = clean("--keep artist").refused();
    assert!(refused.stderr.contains("was made by another method"), "{refused:?}");
    clean("--keep artist --overwrite").expect(1);
    assert!(
        sandbox.read("c.jsonl").contains("\"prompt\":\"a castle on a hill, by greg rutkowski\"")
    );
    sandbox.write("p.txt", "something else");
    let refused = clean("--keep artist").refused();
    assert!(refused.stderr.contains("was made from other prompts"), "{refused:?}");
}

#[test]
fn rules_are_listed_and_can_be_replaced() {
    let sandbox = Sandbox::new();
    let list = sandbox.hps("prompts clean --list-rules").expect(0).stdout;
    assert!(list.contains("  by-artist: known artists"), "{list}");
    let rules = sandbox.hps("prompts clean --list-rules --format json").expect(0).json();
    assert!(rules.as_array().unwrap().iter().all(|rule| rule["before"] != rule["after"]));
    let toml = sandbox.hps("prompts clean --list-rules --toml").expect(0).stdout;
    sandbox.write("bundled.toml", toml);
    let own = "[[rule]]\nid = 'x'\ncategory = 'own'\nscope = 'phrase'\nabout = 'foxes'\n\
               pattern = ['red fox(?:es)?']\nbefore = 'a dog, red fox'\nafter = 'a dog'\n";
    sandbox.write("own.toml", own);
    let clean = |rules: &str| {
        let words = format!("prompts clean - --rules {rules}");
        let outcome = sandbox.hps(&words).stdin("a cat, red foxes, 8k").expect(0);
        lines(&outcome.stdout)[0]["prompt"].clone()
    };
    assert_eq!(clean("bundled.toml"), "a cat, red foxes");
    assert_eq!(clean("own.toml"), "a cat, 8k");
}
