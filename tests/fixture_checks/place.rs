//! Where the fixtures are, and which of them nothing can be compared with yet.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

/// Files, variants and `variant/scheduler` combinations that are not supported
/// yet. Everything else in the fixtures must pass.
pub const NOT_YET: &[&str] = &[
    "reward/benchmark_tables.json",
    "generator/lcm",
    "generator/sdxl",
    "ddpm",
    "euler-ancestral",
    "euler-ancestral-trailing-2",
    "heun",
    "dpm++2m",
    "dpm++2m-karras",
    "unipc",
    "pndm",
];

/// The folder `kind` (`reward` or `generator`) of the fixtures.
pub fn folder(kind: &str) -> PathBuf {
    match std::env::var_os("HPS_FIXTURES") {
        Some(root) => PathBuf::from(root).join(kind),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind),
    }
}

/// The path of a fixture, or `None` and a line that says it is skipped.
pub fn find(kind: &str, name: &str) -> Option<PathBuf> {
    let path = folder(kind).join(name);
    if path.exists() {
        return Some(path);
    }
    skip(&format!("{kind}/{name}"), "absent");
    None
}

/// The content of a JSON fixture, or `None` and a line that says it is skipped.
pub fn json<T: DeserializeOwned>(kind: &str, name: &str) -> Option<T> {
    let path = find(kind, name)?;
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// Whether `name` is on the list, saying so.
pub fn not_yet(name: &str) -> bool {
    let listed = NOT_YET.contains(&name);
    if listed {
        skip(name, "not supported yet");
    }
    listed
}

/// Reports something as skipped.
pub fn skip(name: &str, why: &str) {
    println!("skipped {name}: {why}");
}

#[test]
fn what_is_not_supported_yet_is_listed() {
    for name in NOT_YET {
        skip(name, "not supported yet");
    }
}
