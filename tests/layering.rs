//! The rules of `crates/README.md` about who may depend on whom.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each crate may depend on within the workspace.
const ALLOWED: &[(&str, &[&str])] = &[
    ("hps-core", &[]),
    ("hps-nn", &["hps-core"]),
    ("hps-weights", &["hps-core", "hps-nn"]),
    ("hps-clip", &["hps-core", "hps-nn", "hps-weights"]),
    ("hps-reward", &["hps-core", "hps-nn", "hps-weights", "hps-clip"]),
    ("hps-generator", &["hps-core", "hps-nn", "hps-weights", "hps-clip"]),
    ("hps-store", &["hps-core"]),
    ("hps-train", &["hps-core", "hps-nn", "hps-weights", "hps-clip"]),
    ("hps-demo", &[]),
    ("hps-world", &["hps-core"]),
    (
        "hps-loop",
        &[
            "hps-core",
            "hps-nn",
            "hps-weights",
            "hps-clip",
            "hps-reward",
            "hps-generator",
            "hps-store",
            "hps-train",
            "hps-demo",
        ],
    ),
    ("hps-loop-cli", &["hps-loop"]),
];

/// Heavy dependencies and the crates they live in.
const HOMES: &[(&str, &[&str])] = &[
    ("candle-nn", &["hps-nn"]),
    ("gemm", &["hps-nn", "hps-train"]),
    (
        "candle-core",
        &[
            "hps-nn",
            "hps-weights",
            "hps-clip",
            "hps-reward",
            "hps-generator",
            "hps-train",
            "hps-loop",
        ],
    ),
    ("memmap2", &["hps-weights"]),
    ("safetensors", &["hps-weights"]),
    ("ureq", &["hps-weights", "hps-train"]),
    ("image", &["hps-reward", "hps-store", "hps-generator"]),
    ("config", &["hps-loop"]),
    ("clap", &["hps-loop-cli"]),
    ("indicatif", &["hps-loop-cli"]),
    ("tracing-subscriber", &["hps-loop-cli"]),
    ("anyhow", &["hps-loop-cli"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Manifests of all packages by name; the root manifest is the command line's.
fn manifests() -> BTreeMap<String, toml::Table> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let mut paths: Vec<PathBuf> =
        crates.map(|entry| entry.unwrap().path().join("Cargo.toml")).collect();
    paths.push(root().join("Cargo.toml"));
    let read =
        |path: &PathBuf| -> toml::Table { std::fs::read_to_string(path).unwrap().parse().unwrap() };
    paths
        .iter()
        .filter(|path| path.exists())
        .map(read)
        .map(|manifest| (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest))
        .collect()
}

/// Names of a package's dependencies, without those of its tests.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.into_iter().flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn crates_depend_downwards_only() {
    for (name, manifest) in manifests() {
        let allowed = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} is not in the rules"));
        for dependency in dependencies(&manifest).iter().filter(|name| name.starts_with("hps-")) {
            assert!(allowed.contains(&dependency.as_str()), "{name} depends on {dependency}");
        }
    }
}

#[test]
fn heavy_dependencies_stay_at_home() {
    for (name, manifest) in manifests() {
        for dependency in dependencies(&manifest) {
            if let Some((_, homes)) = HOMES.iter().find(|(heavy, _)| *heavy == dependency) {
                assert!(homes.contains(&name.as_str()), "{name} depends on {dependency}");
            }
        }
    }
}

#[test]
fn every_rule_is_about_a_crate_that_exists() {
    let manifests = manifests();
    for (name, _) in ALLOWED {
        assert!(manifests.contains_key(*name), "{name}");
    }
    let used: BTreeSet<String> = manifests.values().flat_map(dependencies).collect();
    for (name, _) in HOMES {
        assert!(used.contains(*name), "{name}");
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for (name, manifest) in manifests() {
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{name}");
    }
}

#[test]
fn the_map_names_every_crate() {
    let map = std::fs::read_to_string(root().join("crates/README.md")).unwrap();
    for (name, _) in ALLOWED {
        assert!(map.contains(&format!("`{name}`")), "{name} is not in crates/README.md");
    }
}

#[test]
fn no_module_is_a_drawer() {
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && stem != "target" {
                folders.push(path);
            } else {
                for drawer in ["utils", "util", "common", "helpers", "misc"] {
                    assert_ne!(stem, drawer, "{}", path.display());
                }
            }
        }
    }
}
