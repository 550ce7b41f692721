//! `config show`, and the layers of the configuration.

use insta::assert_snapshot;

use crate::harness::Sandbox;

/// Every layer sets something of its own and something that a later one sets too.
fn layered() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "hps-loop.toml",
        "threads = 1\n[generate]\nbest-of = 2\nseed = 2\nnum-inference-steps = 2\n\
         [weights]\n\"hps-v2.1\" = \"file.pt\"\npickscore = \"pick.pt\"\n",
    );
    sandbox.write("more.toml", "threads = 3\n[generate]\nseed = 3\nbest-of = 3\n");
    sandbox
}

#[test]
fn the_defaults_are_shown_with_their_source() {
    assert_snapshot!("config_defaults", Sandbox::new().hps("config show").expect(0).shown());
}

#[test]
fn later_layers_win() {
    let command = layered().hps("config show --config more.toml --threads 5 --offline");
    let command = command.env("HPS_LOOP_GENERATE__BEST_OF", "4").env("HPS_LOOP_THREADS", "4");
    assert_snapshot!("config_layers", command.expect(0).shown());
}

#[test]
fn json_has_values_and_sources() {
    let command = layered().hps("config show --format json --threads 5");
    let document = command.env("HPS_LOOP_GENERATE__SEED", "9").expect(0).json();
    let entry = |key: &str| document[key].clone();
    assert_eq!(entry("threads")["value"], 5);
    assert_eq!(entry("threads")["origin"]["kind"], "flag");
    assert_eq!(entry("generate.seed")["value"], 9);
    assert_eq!(entry("generate.seed")["origin"]["kind"], "env");
    assert_eq!(entry("generate.seed")["origin"]["name"], "HPS_LOOP_GENERATE__SEED");
    assert_eq!(entry("generate.best-of")["origin"]["name"], "hps-loop.toml");
    assert_eq!(entry("device")["origin"]["kind"], "default");
    assert_eq!(entry("weights.\"hps-v2.1\"")["value"], "file.pt");
    assert!(entry("generate.width").is_null() && document.get("generate.width").is_some());
}

#[test]
fn settings_reach_the_commands() {
    let sandbox = Sandbox::new();
    sandbox.write("hps-loop.toml", "[generate]\nbest-of = 3\nnum-inference-steps = 1\nseed = 4\n");
    let command = sandbox.hps("generate fox --out run --seed 5");
    command.env("HPS_LOOP_GENERATE__BEST_OF", "2").expect(0);
    let run = crate::run_folder::manifest(&sandbox, "run");
    assert_eq!([&run["best_of"], &run["seed"]], [2, 5]);
    assert_eq!(run["parameters"]["num_inference_steps"], 1);
}

#[test]
fn weights_and_reward_come_from_a_file() {
    let sandbox = Sandbox::new();
    let reward = crate::harness::fixtures("reward");
    let line =
        |file: &str| format!("\"hps-v2.1\" = {:?}\n", reward.join(file).display().to_string());
    let (weights, arch) = (line("hps-tiny.pt"), line("hps-tiny.json"));
    sandbox.write(
        "hps-loop.toml",
        format!(
            "[score]\nreward = \"hps-v2.1\"\nformat = \"csv\"\n[weights]\n{weights}[arch]\n{arch}"
        ),
    );
    let command = sandbox.hps("score --prompt fox");
    let outcome = command.arg(crate::harness::picture("small.png")).expect(0);
    assert!(outcome.stdout.starts_with("image,prompt,score,error\n"), "{outcome:?}");
}

#[test]
fn mistakes_are_named_with_their_source() {
    let files = [
        "threds = 2\n",
        "[generate]\nbest_of = 2\n",
        "[generate]\nbest-of = \"many\"\n",
        "[generate]\nbest-of = 0\n",
        "[generat]\nbest-of = 2\n",
        "[generate\n",
        "device = \"tpu\"\n",
        "[score]\npreprocess = \"bicubic\"\n",
    ];
    let mut shown = String::new();
    for file in files {
        let sandbox = Sandbox::new();
        sandbox.write("hps-loop.toml", file);
        shown += &format!("$ {file}{}\n", sandbox.hps("config show").refused().shown());
    }
    let variables = [
        ("HPS_LOOP_GENERATE__BEST", "2"),
        ("HPS_LOOP_THREADS", "many"),
        ("HPS_LOOP_WEIGHTS", "file.pt"),
        ("HPS_LOOP_GENERATE__GUIDANCE_SCALE", "inf"),
    ];
    for (name, value) in variables {
        let outcome = Sandbox::new().hps("config show").env(name, value).refused();
        shown += &format!("$ {name}={value}\n{}\n", outcome.shown());
    }
    shown += &Sandbox::new().hps("config show --config missing.toml").refused().shown();
    assert_snapshot!("config_mistakes", shown);
}

#[test]
fn a_mistake_in_the_file_stops_every_command() {
    for words in ["score a.png --prompt x", "generate fox --out run", "models list", "doctor"] {
        let sandbox = Sandbox::new();
        sandbox.write("hps-loop.toml", "threds = 2\n");
        let outcome = sandbox.hps(words).refused();
        assert!(outcome.stderr.contains("threds"), "{words}: {outcome:?}");
    }
}

#[test]
fn the_log_filter_and_empty_variables_are_no_settings() {
    let command = Sandbox::new().hps("config show").env("HPS_LOOP_LOG", "debug");
    command.env("HPS_LOOP_THREADS", "").expect(0);
}

#[test]
fn the_example_file_is_what_is_built_in() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/default.toml");
    let sandbox = Sandbox::new();
    let show = |words: &str| sandbox.hps(words).expect(0).json();
    let mut defaults = show("config show --format json");
    let file = show(&format!("config show --format json --config {example}"));
    for (key, entry) in defaults.as_object_mut().unwrap() {
        assert_eq!(entry.get("value"), file[key].get("value"), "{key}");
    }
}
