//! The README keeps its promises.

#![allow(clippy::unwrap_used)]

use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The commands of all shell blocks.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(|block| block.lines().map(str::to_owned)).collect()
}

#[test]
fn two_commands_set_everything_up() {
    let commands = commands(&read("README.md"));
    let first = "cargo run --release -- generate \"a red fox in the snow\" --best-of 8";
    assert_eq!(commands[0], first);
    assert_eq!(commands[1], "cargo test --workspace");
    let check = read("scripts/check.sh");
    assert!(check.contains("generate \"a red fox in the snow\" --best-of 8"));
    assert!(check.contains("cargo test --workspace"));
}

#[test]
fn every_command_in_the_readme_parses() {
    for command in commands(&read("README.md")) {
        let Some(rest) = command.strip_prefix("hps-loop ") else { continue };
        let rest = rest.split(" > ").next().unwrap().split("   ").next().unwrap();
        let mut words = rest.split_whitespace();
        // `--help` after the subcommands parses them without running anything.
        let mut arguments = vec![words.next().unwrap()];
        if matches!(arguments[0], "models" | "config") {
            arguments.push(words.next().unwrap());
        }
        arguments.push("--help");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_hps-loop"))
            .args(&arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}");
        let help = String::from_utf8(output.stdout).unwrap();
        for flag in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{command}: {flag} is not in the help");
        }
    }
}

#[test]
fn files_that_are_linked_exist() {
    for page in ["README.md", "crates/README.md", "plugins/README.md"] {
        let text = read(page);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.starts_with("http")) {
            assert!(folder.parent().unwrap().join(link).exists(), "{page} links {link}");
        }
    }
}

#[test]
fn the_default_configuration_is_the_built_in_one() {
    assert_eq!(read("configs/default.toml"), read("crates/hps-loop/src/config/default.toml"));
}
