//! Help, version and completions.

use insta::assert_snapshot;

use crate::harness::Sandbox;

/// Every command and subcommand.
const COMMANDS: [&str; 15] = [
    "",
    "generate",
    "score",
    "eval",
    "train",
    "data check",
    "prompts stats",
    "prompts clean",
    "models",
    "models list",
    "models pull",
    "models verify",
    "config show",
    "doctor",
    "completions",
];

#[test]
fn every_command_has_help() {
    for command in COMMANDS {
        let outcome = Sandbox::new().hps(command).arg("--help").expect(0);
        assert_eq!(outcome.stderr, "");
        let name = format!("help_{}", command.replace(' ', "_"));
        assert_snapshot!(name.trim_end_matches('_'), outcome.shown());
    }
}

#[test]
fn the_top_level_help_lists_every_command() {
    let help = Sandbox::new().hps("--help").expect(0).stdout;
    for command in COMMANDS.iter().filter_map(|command| command.split(' ').next()) {
        assert!(help.contains(&format!("\n  {command}")), "{command}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let outcome = Sandbox::new().hps("--version").expect(0);
    assert_eq!(outcome.stdout, format!("hps-loop {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Sandbox::new().hps("completions").arg(shell).expect(0).stdout;
        for word in [
            "generate",
            "score",
            "eval",
            "train",
            "data",
            "prompts",
            "models",
            "config",
            "doctor",
            "completions",
            "best-of",
        ] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    Sandbox::new().hps("completions tcsh").refused();
}

#[test]
fn a_mistyped_command_or_flag_is_explained() {
    let outcome = Sandbox::new().hps("generat fox").refused();
    assert!(outcome.stderr.contains("'generate'"), "{outcome:?}");
    let outcome = Sandbox::new().hps("generate fox --best-off 3").refused();
    assert!(outcome.stderr.contains("'--best-of'"), "{outcome:?}");
}
