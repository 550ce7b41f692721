//! What a run has written.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::harness::Sandbox;

/// All files of a run by name, except what tells about the process: `run.json`
/// (seconds, times) and the lock.
pub fn files(sandbox: &Sandbox, run: &str) -> BTreeMap<String, Vec<u8>> {
    let root = sandbox.path(run);
    let mut files = BTreeMap::new();
    collect(&root, &root, &mut files);
    files
}

fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            collect(root, &path, files);
        } else if name != "run.json" && name != ".lock" {
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

/// The names of a run's files, as [`files`].
pub fn names(sandbox: &Sandbox, run: &str) -> Vec<String> {
    files(sandbox, run).into_keys().collect()
}

/// Two runs have the same files with the same bytes.
pub fn assert_same(sandbox: &Sandbox, run: &str, other: &str) {
    let (one, two) = (files(sandbox, run), files(sandbox, other));
    assert!(one.contains_key("candidates.jsonl") || one.contains_key("0/candidates.jsonl"));
    assert!(one.keys().eq(two.keys()), "{:?} {:?}", one.keys(), two.keys());
    for (name, bytes) in &one {
        assert!(*bytes == two[name], "{name} of {run} and {other} differ");
    }
}

/// The lines of a run's `candidates.jsonl`.
pub fn candidates(sandbox: &Sandbox, run: &str) -> Vec<Value> {
    let text = sandbox.read(&format!("{run}/candidates.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A run's `run.json`.
pub fn manifest(sandbox: &Sandbox, run: &str) -> Value {
    serde_json::from_str(&sandbox.read(&format!("{run}/run.json"))).unwrap()
}
