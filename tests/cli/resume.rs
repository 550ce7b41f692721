//! Going on with a run.

use insta::assert_snapshot;

use crate::harness::Sandbox;
use crate::run_folder::{assert_same, manifest, names};

fn run(sandbox: &Sandbox, out: &str, words: &str) {
    let command = sandbox.hps("generate fox --steps 2 --out").arg(out);
    command.args(words.split_whitespace()).expect(0);
}

#[test]
fn more_candidates_give_what_a_fresh_run_gives() {
    let sandbox = Sandbox::new();
    run(&sandbox, "fresh", "--best-of 7");
    run(&sandbox, "grown", "--best-of 3");
    run(&sandbox, "grown", "--best-of 7 --resume");
    assert_same(&sandbox, "fresh", "grown");
    let (fresh, grown) = (manifest(&sandbox, "fresh"), manifest(&sandbox, "grown"));
    assert_eq!(fresh["nfe"], grown["nfe"]);
    assert_eq!(grown["best_of"], 7);
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    run(&sandbox, "run", "--best-of 3");
    run(&sandbox, "copy", "--best-of 3");
    run(&sandbox, "run", "--best-of 3 --resume");
    assert_same(&sandbox, "run", "copy");
    assert_eq!(manifest(&sandbox, "run")["nfe"], manifest(&sandbox, "copy")["nfe"]);
}

#[test]
fn an_empty_or_missing_folder_starts_a_run() {
    let sandbox = Sandbox::new();
    run(&sandbox, "missing", "--resume");
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    run(&sandbox, "empty", "--resume");
    assert_same(&sandbox, "missing", "empty");
}

#[test]
fn other_settings_are_refused_by_name() {
    let sandbox = Sandbox::new();
    run(&sandbox, "run", "--best-of 2");
    run(&sandbox, "copy", "--best-of 2");
    let settings = [
        "--seed 1",
        "--num-inference-steps 3",
        "--guidance-scale 2",
        "--scheduler euler",
        "--width 72",
        "--negative-prompt blurry",
        "--eta 0.5",
        "more prompts",
    ];
    let mut shown = String::new();
    for setting in settings {
        let command = sandbox.hps("generate fox --best-of 2 --out run --resume");
        let steps = if setting.contains("steps") { "" } else { "--steps 2" };
        let command = command.args(steps.split_whitespace()).args(setting.split(' '));
        shown += &format!("$ {setting}\n{}\n", command.refused().shown());
    }
    assert_snapshot!("resume_refused", shown);
    assert_same(&sandbox, "run", "copy");
}

#[test]
fn what_is_no_run_is_not_resumed() {
    let sandbox = Sandbox::new();
    sandbox.write("run/mine.txt", "mine");
    let outcome = sandbox.hps("generate fox --steps 1 --out run --resume").refused();
    assert!(outcome.stderr.contains("no run to resume"), "{outcome:?}");
    sandbox.write("run/run.json", "{");
    let outcome = sandbox.hps("generate fox --steps 1 --out run --resume").refused();
    assert!(outcome.stderr.contains("run.json"), "{outcome:?}");
}

#[test]
fn damage_is_repaired() {
    let sandbox = Sandbox::new();
    run(&sandbox, "whole", "--best-of 5");
    run(&sandbox, "run", "--best-of 5");
    // A last line that was cut short, a picture that was deleted, one cut short.
    let records = sandbox.read("run/candidates.jsonl");
    sandbox.write("run/candidates.jsonl", &records[..records.len() - 40]);
    std::fs::remove_file(sandbox.path("run/02.png")).unwrap();
    let picture = std::fs::read(sandbox.path("run/03.png")).unwrap();
    sandbox.write("run/03.png", &picture[..picture.len() / 2]);
    run(&sandbox, "run", "--best-of 5 --resume");
    assert_same(&sandbox, "whole", "run");
}

#[test]
fn a_lost_best_picture_comes_back() {
    let sandbox = Sandbox::new();
    run(&sandbox, "run", "--best-of 2");
    run(&sandbox, "copy", "--best-of 2");
    std::fs::remove_file(sandbox.path("run/best.png")).unwrap();
    run(&sandbox, "run", "--best-of 2 --resume");
    assert_same(&sandbox, "run", "copy");
}

#[test]
fn a_damaged_line_inside_is_reported() {
    let sandbox = Sandbox::new();
    run(&sandbox, "run", "--best-of 3");
    let records = sandbox.read("run/candidates.jsonl").replacen("\"prompt\"", "\"pro", 1);
    sandbox.write("run/candidates.jsonl", records);
    let outcome = sandbox.hps("generate fox --steps 2 --best-of 3 --out run --resume").refused();
    assert!(outcome.stderr.contains("candidates.jsonl"), "{outcome:?}");
    assert!(outcome.stderr.contains("line 1"), "{outcome:?}");
}

#[test]
fn several_prompts_are_resumed() {
    let sandbox = Sandbox::new();
    run(&sandbox, "whole", "snow --best-of 3");
    run(&sandbox, "run", "snow --best-of 2");
    std::fs::remove_dir_all(sandbox.path("run/1")).unwrap();
    run(&sandbox, "run", "snow --best-of 3 --resume");
    assert_same(&sandbox, "whole", "run");
}

#[test]
fn pictures_that_were_not_kept_are_drawn_again_when_wanted() {
    let sandbox = Sandbox::new();
    run(&sandbox, "all", "--best-of 4");
    run(&sandbox, "run", "--best-of 4 --top 1");
    assert_eq!(names(&sandbox, "run"), ["01.png", "best.png", "candidates.jsonl"]);
    run(&sandbox, "run", "--best-of 4 --resume");
    assert_same(&sandbox, "all", "run");
}
