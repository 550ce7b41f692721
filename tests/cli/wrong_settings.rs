//! Flags and settings that cannot work: exit 2, a message and what to do.

use insta::assert_snapshot;

use crate::harness::{Sandbox, fixtures, picture};

/// What `score` says to `words`, with everything else in order.
fn score(words: &str) -> String {
    let sandbox = Sandbox::new();
    let command = sandbox.hps("score --prompt fox").tiny_weights("hps-v2.1");
    command.args(words.split_whitespace()).arg(picture("small.png")).refused().shown()
}

/// What `generate` says to `words`; it must not have written anything.
fn generate(words: &str) -> String {
    let sandbox = Sandbox::new();
    let command = sandbox.hps("generate fox --out run");
    let command = command.env("HPS_LOOP_GENERATE__NUM_INFERENCE_STEPS", "1");
    let shown = command.args(words.split_whitespace()).refused().shown();
    assert!(!sandbox.path("run").exists(), "{words}");
    shown
}

/// Every command line with what was said to it.
fn all(say: impl Fn(&str) -> String, lines: &[&str]) -> String {
    lines.iter().map(|line| format!("$ {line}\n{}\n", say(line))).collect()
}

#[test]
fn rewards_must_be_named_and_known() {
    let lines = [
        "",
        "--reward hps-v2",
        "--reward hpsv2.1",
        "--reward nope",
        "--reward hps-v2.1=x",
        "--reward hps-v2.1,hps-v2.1",
        "--reward hps-v2.0,hps-v2.1",
        "--reward ,",
    ];
    assert_snapshot!("wrong_rewards", all(score, &lines));
}

#[test]
fn settings_of_a_score_must_be_known() {
    let lines = [
        "--reward hps-v2.1 --preprocess nope",
        "--reward hps-v2.1 --precision f17",
        "--reward hps-v2.1 --device tpu",
        "--reward hps-v2.1 --device cuda:x",
        "--reward hps-v2.1 --combine mean",
        "--reward hps-v2.1 --format yaml",
        "--reward hps-v2.1 --batch-size 0",
        "--reward hps-v2.1 --background reddish",
        "--reward hps-v2.1 --background #+f8000",
        "--reward hps-v2.1 --threshold high",
        "--reward hps-v2.1 --weights file.pt",
        "--reward hps-v2.1 --weights hps-v3=file.pt",
        "--reward hps-v2.1 --arch hps-v3=file.json",
    ];
    assert_snapshot!("wrong_score_settings", all(score, &lines));
}

#[test]
fn weights_of_a_reward_that_is_not_used_are_a_mistake() {
    let shown = score("--reward demo");
    assert!(shown.contains("hps-v2.1") && shown.contains("--reward"), "{shown}");
}

#[test]
fn pairs_must_be_a_file() {
    let sandbox = Sandbox::new();
    let missing = sandbox.score("--pairs missing.jsonl").refused().shown();
    let folder = sandbox.score("--pairs .").refused().shown();
    assert_snapshot!("wrong_pairs", missing + &folder);
}

#[test]
fn a_device_that_is_not_there_is_said_to_be_so() {
    // No build for tests has it.
    let shown = score("--reward hps-v2.1 --device metal");
    assert!(shown.contains("metal"), "{shown}");
}

#[test]
fn settings_of_a_run_must_suit_the_model() {
    let lines = [
        "--best-of 0",
        "--num-inference-steps 0",
        "--width 65",
        "--height 0",
        "--width 100000",
        "--scheduler nope",
        "--eta 2",
        "--eta -0.5",
        "--eta NaN",
        "--eta 0.5 --scheduler euler",
        "--guidance-scale inf",
        "--seed -1",
        "--batch-size 0",
        "--format csv",
        "--resume --overwrite",
        "--precision f17",
        "--reward nope",
    ];
    assert_snapshot!("wrong_generate_settings", all(generate, &lines));
}

#[test]
fn models_must_be_known_folders() {
    let picture = picture("small.png").display().to_string();
    let images = fixtures("reward").join("images").display().to_string();
    let say = |line: &str| {
        let line = line.replace("PICTURE", &picture).replace("IMAGES", &images);
        generate(&format!("--reward demo --offline {line}"))
    };
    let lines = [
        "--model PICTURE",
        "--model IMAGES",
        "--model ./missing",
        "--model sd-turb",
        "--model hps-v2.1",
        "--model bundled:demo-generato",
        "--model hub:nobody",
        "--model hub:owner/name/unet/file.safetensors",
        "--model sd-turbo",
    ];
    assert_snapshot!("wrong_models", all(say, &lines));
}

#[test]
fn a_model_of_ones_own_needs_a_reward() {
    let model = fixtures("generator").join("sd15").display().to_string();
    let shown = generate(&format!("--model {model}"));
    assert!(shown.contains("needs a reward") && shown.contains("--reward"), "{shown}");
}

#[test]
fn missing_weights_come_with_the_command_that_gets_them() {
    let sandbox = Sandbox::new();
    for reward in ["hps-v2.0", "hps-v2.1", "pickscore", "clip-score", "aesthetic"] {
        let command = sandbox.hps("score --offline --prompt fox --reward");
        let outcome = command.arg(reward).arg(picture("small.png")).refused();
        assert!(outcome.stderr.contains("`hps-loop models pull "), "{outcome:#?}");
        assert!(outcome.stderr.contains("not in the cache"), "{outcome:#?}");
    }
}

#[test]
fn prompts_are_required() {
    let sandbox = Sandbox::new();
    sandbox.write("blank.txt", "\n  \n");
    for words in [
        "generate",
        "generate --prompts blank.txt",
        "generate --prompts missing.txt",
        "score a.png",
    ] {
        sandbox.hps(words).refused();
    }
    let empty = sandbox.hps("").run();
    assert_eq!(empty.code, Some(2));
}
