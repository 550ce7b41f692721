#![allow(clippy::unwrap_used)]

use std::fs;

use hps_core::{DeviceSpec, Error, ErrorKind};
use proptest::prelude::*;
use serde_json::json;

use super::schema::{KEYS, Kind};
use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(self, name: &str, text: &str) -> Folder {
        fs::write(self.0.path().join(name), text).unwrap();
        self
    }

    fn loader(&self) -> ConfigLoader {
        ConfigLoader { working_dir: self.0.path().to_owned(), ..ConfigLoader::default() }
    }
}

fn env(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

fn file_error(text: &str) -> Error {
    Folder::new().file(FILE_NAME, text).loader().load().unwrap_err()
}

fn variable_error(name: &str, value: &str) -> Error {
    let loader = ConfigLoader { env: env(name, value), ..Folder::new().loader() };
    loader.load().unwrap_err()
}

#[test]
fn the_built_in_values_stand_alone() {
    let loaded = Folder::new().loader().load().unwrap();
    assert_eq!(loaded.config.device, DeviceSpec::Cpu);
    assert_eq!(loaded.config.generate.best_of, 1);
    assert_eq!(loaded.config.generate.width, None);
    assert!(loaded.config.weights.is_empty());
    assert!(loaded.settings.values().all(|setting| setting.origin == Origin::Default));
}

#[test]
fn later_sources_win_key_by_key() {
    let folder = Folder::new()
        .file(FILE_NAME, "threads = 1\n[generate]\nbest-of = 1\nseed = 1\nwidth = 1\nheight = 1")
        .file("mine.toml", "[generate]\nbest-of = 2\nseed = 2\nwidth = 2");
    let mut loader = folder.loader();
    loader.explicit = Some("mine.toml".into());
    loader.env = env("HPS_LOOP_GENERATE__SEED", "3");
    loader.env.extend(env("HPS_LOOP_GENERATE__BEST_OF", "3"));
    loader.overrides = vec![Override::new("generate.best-of", 4, "--best-of")];
    let loaded = loader.load().unwrap();
    let generate = &loaded.config.generate;
    assert_eq!((generate.best_of, generate.seed), (4, 3));
    assert_eq!((generate.width, generate.height), (Some(2), Some(1)));
    let origin = |key: &str| loaded.settings[key].origin.clone();
    assert_eq!(origin("generate.best-of"), Origin::Flag("--best-of".into()));
    assert_eq!(origin("generate.seed"), Origin::Env("HPS_LOOP_GENERATE__SEED".into()));
    assert_eq!(origin("generate.width"), Origin::File(folder.0.path().join("mine.toml")));
    assert_eq!(origin("generate.height"), Origin::File(folder.0.path().join(FILE_NAME)));
    assert_eq!(origin("generate.out"), Origin::Default);
    assert_eq!(loaded.config.threads, 1);
}

#[test]
fn every_key_can_be_set_by_variable_and_flag() {
    for key in KEYS {
        let value = match key.kind {
            Kind::Text => "some text",
            Kind::Choice(words) => words[words.len() - 1],
            Kind::Device => "cuda:1",
            Kind::Precision => "f32",
            Kind::Integer(..) => "3",
            Kind::Number => "2.5",
            Kind::Boolean => "true",
            Kind::Map => "hps-v2.1=/a/b.pt, x=y=z",
        };
        let mut loader = Folder::new().loader();
        loader.env = env(&key.variable(), value);
        let by_variable = loader.load().unwrap();
        loader.env.clear();
        loader.overrides = vec![Override::new(key.dotted(), value, "--flag")];
        let by_flag = loader.load().unwrap();
        assert_eq!(by_variable.config, by_flag.config, "{}", key.dotted());
        assert!(
            by_flag.settings.values().any(|s| s.origin == Origin::Flag("--flag".into())),
            "{}",
            key.dotted()
        );
    }
}

#[test]
fn every_key_of_the_schema_reaches_its_field() {
    let mut loader = Folder::new().loader();
    for key in KEYS.iter().filter(|key| key.kind != Kind::Map) {
        let value = match key.kind {
            Kind::Integer(..) => "3",
            Kind::Number => "3",
            Kind::Boolean => "true",
            Kind::Device => "cuda:3",
            Kind::Precision => "f32",
            Kind::Choice(words) => words[words.len() - 1],
            _ => "three",
        };
        loader.overrides.push(Override::new(key.dotted(), value, "--flag"));
    }
    let config = serde_json::to_value(loader.load().unwrap().config).unwrap();
    for key in KEYS.iter().filter(|key| key.kind != Kind::Map) {
        let pointer = format!("/{}", key.dotted().replace('.', "/"));
        let expected = match key.kind {
            Kind::Integer(..) => json!(3),
            Kind::Number => json!(3.0),
            Kind::Boolean => json!(true),
            Kind::Device => json!("cuda:3"),
            Kind::Precision => json!("f32"),
            Kind::Choice(words) => json!(words[words.len() - 1]),
            _ => json!("three"),
        };
        assert_eq!(config.pointer(&pointer), Some(&expected), "{pointer}");
    }
    let fields: usize = config
        .as_object()
        .unwrap()
        .values()
        .map(|value| match value {
            serde_json::Value::Object(fields) => fields.len(),
            _ => 1,
        })
        .sum();
    assert_eq!(fields, KEYS.iter().filter(|key| key.kind != Kind::Map).count());
}

#[test]
fn the_ways_to_combine_are_those_of_the_rewards() {
    let ids: Vec<&str> = hps_reward::Combine::ALL.iter().map(|combine| combine.id()).collect();
    let Kind::Choice(words) = schema::find("score", "combine").unwrap().kind else {
        panic!("combine is a choice");
    };
    assert_eq!(words, ids);
}

#[test]
fn the_commented_defaults_mention_every_key_and_hold_when_uncommented() {
    let text = include_str!("default.toml");
    for key in KEYS {
        let mentioned = text.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{} = ", key.name)) || line == format!("[{}]", key.name)
        });
        assert!(mentioned, "{}", key.dotted());
    }
    let example = |line: &str| line.starts_with("# ") && line.contains(" = ");
    let all: String = text
        .lines()
        .map(|line| if example(line) { line.trim_start_matches("# ") } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = Folder::new().file(FILE_NAME, &all).loader().load().unwrap().config;
    assert_eq!(config.generate.num_inference_steps, Some(50));
    assert!(config.weights.contains_key("hps-v2.1") && config.arch.contains_key("hps-v2.1"));
}

#[test]
fn maps_are_merged_by_reward() {
    let folder =
        Folder::new().file(FILE_NAME, "[weights]\n\"hps-v2.1\" = \"a\"\n\"hps-v2.0\" = \"b\"");
    let mut loader = folder.loader();
    loader.env = env("HPS_LOOP_WEIGHTS", "hps-v2.1=c,pickscore=d");
    loader.overrides = vec![
        Override::new("weights", "pickscore=e", "--weights"),
        Override::new("weights", "clip-score=f", "--weights"),
        Override::new("arch", "clip-score=g.json", "--arch"),
    ];
    let loaded = loader.load().unwrap();
    let weights: Vec<(&str, &str)> =
        loaded.config.weights.iter().map(|(id, file)| (id.as_str(), file.as_str())).collect();
    let expected = [("clip-score", "f"), ("hps-v2.0", "b"), ("hps-v2.1", "c"), ("pickscore", "e")];
    assert_eq!(weights, expected);
    assert_eq!(loaded.config.arch["clip-score"], PathBuf::from("g.json"));
    let origin = &loaded.settings["weights.\"hps-v2.1\""].origin;
    assert_eq!(*origin, Origin::Env("HPS_LOOP_WEIGHTS".into()));
}

#[test]
fn an_unknown_key_is_named_with_file_line_and_what_is_accepted() {
    let error = file_error("threads = 1\n\n[score]\nrewrd = \"x\"\n");
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error.message().ends_with("hps-loop.toml line 4: unknown key 'score.rewrd'"),
        "{error}"
    );
    let hint = error.hint().unwrap();
    assert!(hint.contains("Did you mean 'reward'?"), "{hint}");
    assert!(hint.contains("reward, preprocess, batch-size, format, combine"), "{hint}");

    let error = file_error("[scores]\n");
    assert!(error.message().ends_with("line 1: unknown key 'scores'"), "{error}");
    assert!(error.hint().unwrap().contains("Did you mean 'score'?"));
    assert!(file_error("[generate]\nbest_of = 1").hint().unwrap().contains("'best-of'"));
}

#[test]
fn an_unknown_key_is_an_error_even_where_a_later_source_is_right() {
    let folder = Folder::new().file(FILE_NAME, "threads = \"many\"");
    let overrides = vec![Override::new("threads", 2, "--threads")];
    let error = ConfigLoader { overrides, ..folder.loader() }.load().unwrap_err();
    assert!(error.message().contains("hps-loop.toml line 1"), "{error}");
}

#[test]
fn a_wrong_type_is_named_with_file_key_and_what_is_expected() {
    for (text, expected) in [
        ("threads = \"4\"", "'threads' is \"4\"; expected a whole number from 0"),
        ("threads = -1", "'threads' is -1; expected a whole number"),
        ("threads = 1.5", "'threads' is 1.5; expected a whole number"),
        ("device = 1", "'device' is 1; expected cpu, cuda"),
        ("device = \"gpu\"", "'device' is \"gpu\"; expected cpu, cuda"),
        ("precision = \"f8\"", "expected one of f32"),
        ("score = 1", "'score' is 1; expected a table"),
        ("threads = {}", "'threads' is a table; expected a whole number"),
        ("threads = [1]", "'threads' is an array; expected a whole number"),
        ("weights = \"x\"", "'weights' is \"x\"; expected a table of text values"),
        ("weights = {a.b = 1}", "'weights.a' is a table; expected text"),
        ("[weights]\n\"a.b\" = 1", "'weights.\"a.b\"' is 1; expected text"),
        ("[generate]\nbest-of = 0", "expected a whole number from 1"),
        ("[generate]\nguidance-scale = inf", "expected a finite number"),
        ("[generate]\nseed = 2030-01-01", "'generate.seed' is 2030-01-01; expected"),
        ("[score]\npreprocess = \"blur\"", "expected one of antialias, no-antialias"),
        ("[hub]\noffline = \"true\"", "expected true or false"),
    ] {
        let error = file_error(text);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
        assert!(error.message().contains("hps-loop.toml line "), "{error}");
        assert!(error.message().contains(expected), "{error}");
    }
    let loaded = Folder::new().file(FILE_NAME, "[generate]\nguidance-scale = 7").loader().load();
    assert_eq!(loaded.unwrap().config.generate.guidance_scale, Some(7.0));
}

#[test]
fn broken_toml_is_named_with_its_line() {
    for (text, line) in [("threads = 1\nx = = 2", 2), ("[score", 1), ("a = 1\na = 2\n", 2)] {
        let error = file_error(text);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.message().contains(&format!("hps-loop.toml line {line}: ")), "{error}");
    }
    let folder = Folder::new();
    fs::write(folder.0.path().join(FILE_NAME), b"\xff").unwrap();
    assert!(folder.loader().load().unwrap_err().message().ends_with("is not UTF-8"));
}

#[test]
fn a_missing_explicit_file_is_an_error() {
    let loader = ConfigLoader { explicit: Some("no.toml".into()), ..Folder::new().loader() };
    let error = loader.load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("no.toml"), "{error}");
    assert!(error.hint().unwrap().contains("--config"));
}

#[test]
fn wrong_variables_and_flags_are_named() {
    let error = variable_error("HPS_LOOP_THREADS", "many");
    assert_eq!(
        error.message(),
        "HPS_LOOP_THREADS is \"many\"; expected a whole number from 0 to 65536"
    );
    let error = variable_error("HPS_LOOP_WEIGHTS", "just-a-file");
    assert!(error.message().contains("expected ID=FILE"), "{error}");
    let error = variable_error("HPS_LOOP_SCORE__REWRD", "x");
    assert_eq!(error.message(), "HPS_LOOP_SCORE__REWRD: unknown key 'score.rewrd'");
    let error = variable_error("HPS_LOOP_DEVCE", "cpu");
    assert!(error.hint().unwrap().starts_with("Did you mean HPS_LOOP_DEVICE?"));
    let overrides = vec![Override::new("generate.colour", "x", "--colour")];
    let error = ConfigLoader { overrides, ..Folder::new().loader() }.load().unwrap_err();
    assert_eq!(error.message(), "--colour: unknown key 'generate.colour'");
}

#[test]
fn foreign_empty_and_other_variables_are_ignored() {
    for (name, value) in [
        ("PATH", "/bin"),
        ("HPS_LOOP_THREADS", ""),
        ("HPS_LOOP_LOG", "debug"),
        ("hps_loop_threads", "x"),
    ] {
        let loader = ConfigLoader { env: env(name, value), ..Folder::new().loader() };
        assert_eq!(loader.load().unwrap(), Folder::new().loader().load().unwrap(), "{name}");
    }
}

#[test]
fn what_is_shown_can_be_loaded_again() {
    let mut loader = Folder::new().loader();
    loader.env = env("HPS_LOOP_WEIGHTS", "hps-v2.1=a \"b\"");
    loader.overrides = vec![
        Override::new("generate.guidance-scale", "7.3", "--guidance-scale"),
        Override::new("generate.negative-prompt", "line\nbreak # 狐", "--negative-prompt"),
    ];
    let loaded = loader.load().unwrap();
    let text = loaded.render();
    assert!(text.contains("guidance-scale = 7.3  # --guidance-scale\n"), "{text}");
    assert!(text.contains("best-of = 1  # default\n"), "{text}");
    assert!(text.contains("# width is not set\n"), "{text}");
    assert!(text.contains("  # HPS_LOOP_WEIGHTS\n"), "{text}");
    let again = Folder::new().file(FILE_NAME, &text).loader().load().unwrap();
    assert_eq!(again.config, loaded.config);
}

#[test]
fn the_json_form_has_values_and_sources() {
    let mut loader = Folder::new().loader();
    loader.overrides = vec![Override::new("threads", 2, "--threads")];
    let json = loader.load().unwrap().to_json();
    let expected = json!({"value": 2, "origin": {"kind": "flag", "name": "--threads"}});
    assert_eq!(json["threads"], expected);
    assert_eq!(json["score.format"]["origin"], json!({"kind": "default"}));
    assert_eq!(json["generate.width"], json!(null));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn foreign_text_never_panics(text: String) {
        let _ = toml_file::parse(&text, &Origin::Default);
    }

    #[test]
    fn toml_like_text_never_panics(
        lines in prop::collection::vec(
            (
                "(threads|device|score|generate|weights|\"a.b\"|[a-z.]{1,9}|\\[(score|weights|x)\\])",
                "(= ?(1|-1|9999999999999999999|1e999|nan|true|\"x\"|\\[1\\]|\\{a = 1\\}|2030-01-01)|)",
            ),
            0..6,
        )
    ) {
        let text: String = lines.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
        if let Err(error) = toml_file::parse(&text, &Origin::Default) {
            prop_assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            prop_assert!(error.message().starts_with("default line "), "{}", error);
        }
    }

    #[test]
    fn foreign_variables_never_panic(name: String, value: String) {
        let _ = layer::from_variable(&format!("HPS_LOOP_{name}"), &value);
        let _ = layer::from_variable("HPS_LOOP_WEIGHTS", &value);
    }
}
