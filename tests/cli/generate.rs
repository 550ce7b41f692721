//! What `generate` writes and prints.

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::{Sandbox, keys, score};
use crate::run_folder::{candidates, manifest, names};

#[test]
fn the_bundled_model_needs_no_settings() {
    let sandbox = Sandbox::new();
    let words = "generate --steps 2 --best-of 8 --out fox";
    let outcome = sandbox.hps(words).arg("a red fox in the snow").expect(0);
    assert_snapshot!("generate_table", outcome.shown());

    let pictures = (1..=8).map(|rank| format!("{rank:02}.png"));
    let expected: Vec<String> =
        pictures.chain(["best.png", "candidates.jsonl"].map(str::to_owned)).collect();
    assert_eq!(names(&sandbox, "fox"), expected);
    let read = |name: &str| std::fs::read(sandbox.path("fox").join(name)).unwrap();
    assert_eq!(read("best.png"), read("01.png"));

    let candidates = candidates(&sandbox, "fox");
    let ranks: Vec<u64> = candidates.iter().map(|c| c["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, (1..=8).collect::<Vec<u64>>());
    let scores: Vec<f32> = candidates.iter().map(score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let mut indices: Vec<u64> =
        candidates.iter().map(|c| c["candidate"].as_u64().unwrap()).collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..8).collect::<Vec<u64>>());
}

#[test]
fn score_reproduces_every_score_from_the_files() {
    let sandbox = Sandbox::new();
    sandbox.hps("generate fox --steps 2 --best-of 8 --out run").expect(0);
    let words = "score run/0*.png --prompt fox --reward demo --format json";
    let results = sandbox.hps(words).expect(0).list("results");
    let candidates = candidates(&sandbox, "run");
    assert_eq!(results.len(), 8);
    for (result, candidate) in results.iter().zip(&candidates) {
        assert!(result["image"].as_str().unwrap().ends_with(candidate["image"].as_str().unwrap()));
        // To the last digit.
        assert_eq!(result["score"].to_string(), candidate["score"].to_string());
    }
}

#[test]
fn the_manifest_says_how_it_was_made() {
    let sandbox = Sandbox::new();
    let words = "generate fox --steps 2 --best-of 3 --seed 7 --width 32 --height 48 --out run \
                 --scheduler euler --guidance-scale 3.5 --negative-prompt blurry --batch-size 2";
    sandbox.hps(words).expect(0);
    let run = manifest(&sandbox, "run");
    let parameters = &run["parameters"];
    assert_eq!([&parameters["width"], &parameters["height"]], [32, 48]);
    assert_eq!(parameters["num_inference_steps"], 2);
    assert_eq!(parameters["guidance_scale"], 3.5);
    assert_eq!(parameters["scheduler"], "euler");
    assert_eq!(parameters["negative_prompt"], "blurry");
    assert_eq!(parameters["policy"], "best_of_n");
    assert_eq!((&run["seed"], &run["best_of"]), (&7.into(), &3.into()));
    // Two evaluations a step, because of the guidance.
    assert_eq!(run["nfe"], 3 * 2 * 2);
    assert_eq!(run["status"], "finished");
    assert_eq!(run["hps_loop_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(run["prompts"], serde_json::json!(["fox"]));
    assert_eq!(run["settings"]["batch_size"], 2);
    for digest in [&run["model"]["model_sha256"], &run["reward"]["weights_sha256"]] {
        assert_eq!(digest.as_str().unwrap().len(), 64);
    }
    assert!(run["seconds"].as_f64().unwrap() > 0.0);
    assert!(run["started"].as_str().unwrap() <= run["finished"].as_str().unwrap());
    for candidate in candidates(&sandbox, "run") {
        assert_eq!([&candidate["width"], &candidate["height"]], [32, 48]);
        assert_eq!(candidate["nfe"], 4);
    }
}

#[test]
fn json_is_the_ranking_and_nothing_else() {
    let sandbox = Sandbox::new();
    let outcome =
        sandbox.hps("generate fox --steps 1 --best-of 3 --top 2 --out run --format json").expect(0);
    let document = outcome.json();
    assert_eq!(keys(&document), ["model", "prompts", "reward"]);
    let prompt = &document["prompts"][0];
    assert_eq!(keys(prompt), ["candidates", "failed", "out", "prompt"]);
    let printed = prompt["candidates"].as_array().unwrap();
    let stored = candidates(&sandbox, "run");
    assert_eq!(printed.len(), 3);
    for (printed, stored) in printed.iter().zip(&stored) {
        for key in ["rank", "candidate", "score", "seed", "prompt", "nfe"] {
            assert_eq!(printed[key], stored[key], "{key}");
        }
    }
    assert!(sandbox.path(printed[0]["image"].as_str().unwrap()).is_file());
    assert_eq!(printed[2]["image"], Value::Null);
}

#[test]
fn top_keeps_only_the_best_pictures() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.hps("generate fox --steps 1 --best-of 5 --top 2 --out run").expect(0);
    assert_eq!(names(&sandbox, "run"), ["01.png", "02.png", "best.png", "candidates.jsonl"]);
    let images: Vec<Value> =
        candidates(&sandbox, "run").iter().map(|candidate| candidate["image"].clone()).collect();
    assert_eq!(
        images,
        [Value::from("01.png"), "02.png".into(), Value::Null, Value::Null, Value::Null]
    );
    assert_eq!(outcome.stdout.matches("not kept").count(), 3, "{outcome:?}");
}

#[test]
fn several_prompts_get_a_folder_each() {
    let sandbox = Sandbox::new();
    sandbox.write("prompts.txt", "a blue fox\n\na green fox\r\n");
    let command = sandbox.hps("generate --prompts prompts.txt --steps 1 --best-of 2 --out run");
    let outcome = command.arg("a red fox").expect(0);
    assert_snapshot!("generate_prompts", outcome.shown());
    let files = ["01.png", "02.png", "best.png", "candidates.jsonl"];
    let expected: Vec<String> =
        (0..3).flat_map(|index| files.map(|file| format!("{index}/{file}"))).collect();
    assert_eq!(names(&sandbox, "run"), expected);
    let prompts = ["a red fox", "a blue fox", "a green fox"];
    assert_eq!(manifest(&sandbox, "run")["prompts"], serde_json::json!(prompts));
    for (index, prompt) in prompts.iter().enumerate() {
        let candidates = candidates(&sandbox, &format!("run/{index}"));
        assert!(candidates.iter().all(|candidate| candidate["prompt"] == *prompt));
    }
    // A prompt among others is drawn as it is alone.
    sandbox.hps("generate --steps 1 --best-of 2 --out alone").arg("a green fox").expect(0);
    crate::run_folder::assert_same(&sandbox, "run/2", "alone");
}

#[test]
fn prompts_come_from_standard_input() {
    let sandbox = Sandbox::new();
    let command = sandbox.hps("generate --prompts - --steps 1 --out run");
    command.stdin("a fox\nquote \" and snow ☃\n").expect(0);
    let prompts = &manifest(&sandbox, "run")["prompts"];
    assert_eq!(*prompts, serde_json::json!(["a fox", "quote \" and snow ☃"]));
}

#[test]
fn without_out_the_folder_is_named_by_time_and_prompt() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.hps("generate --steps 1").arg("A Red/Fox: ../in the snow!").expect(0);
    let runs: Vec<_> = std::fs::read_dir(sandbox.path("out")).unwrap().collect();
    assert_eq!(runs.len(), 1);
    let name = runs[0].as_ref().unwrap().file_name().into_string().unwrap();
    let (time, slug) = name.split_once('-').unwrap();
    assert_eq!(slug, "a-red-fox-in-the-snow");
    assert!(time.len() == 16 && time.ends_with('Z') && time.as_bytes()[8] == b'T', "{name}");
    assert!(outcome.stderr.contains(&format!("wrote out/{name}")), "{outcome:?}");
    assert!(sandbox.path(&format!("out/{name}/best.png")).is_file());
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("run/mine.txt", "mine");
    let outcome = sandbox.hps("generate fox --steps 1 --out run").refused();
    assert_snapshot!("generate_refused", outcome.shown());
    assert_eq!(names(&sandbox, "run"), ["mine.txt"]);
    // A file is no folder.
    let outcome = sandbox.hps("generate fox --steps 1 --out run/mine.txt --overwrite").refused();
    assert!(outcome.stderr.contains("mine.txt"), "{outcome:?}");
    assert_eq!(sandbox.read("run/mine.txt"), "mine");
}

#[test]
fn overwrite_replaces_the_run_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.hps("generate fox --steps 1 --best-of 4 --out run").expect(0);
    sandbox.write("run/mine.txt", "mine");
    sandbox.hps("generate fox --steps 1 --best-of 2 --seed 3 --out run --overwrite").expect(0);
    assert_eq!(
        names(&sandbox, "run"),
        ["01.png", "02.png", "best.png", "candidates.jsonl", "mine.txt"]
    );
    assert_eq!(manifest(&sandbox, "run")["seed"], 3);
}
