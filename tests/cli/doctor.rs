//! `doctor`: what it finds differs between machines, what it looks at does not.

use crate::harness::{Sandbox, keys};

#[test]
fn the_table_names_every_part() {
    let outcome = Sandbox::new().hps("doctor").expect(0);
    assert!(outcome.stdout.starts_with(&format!("hps-loop {}\n", env!("CARGO_PKG_VERSION"))));
    for part in [
        "Devices",
        "  yes  cpu",
        "Processor",
        "  threads ",
        "  precision  f32 accurate fast",
        "Models",
    ] {
        assert!(outcome.stdout.contains(part), "{part}: {outcome:?}");
    }
    assert!(outcome.stdout.contains("hps-loop models pull hps-v2.1"), "{outcome:?}");
    assert!(outcome.stdout.contains("here     bundled:demo-generator"), "{outcome:?}");
}

#[test]
fn json_has_the_same() {
    let document = Sandbox::new().hps("doctor --format json --threads 1").expect(0).json();
    assert_eq!(
        keys(&document),
        [
            "cpu_features",
            "devices",
            "hub_cache",
            "kernels",
            "memory_available_mib",
            "memory_total_mib",
            "models",
            "precisions",
            "threads",
            "version"
        ]
    );
    assert_eq!(document["threads"], 1);
    assert_eq!(document["devices"][0]["name"], "cpu");
    assert_eq!(document["devices"][0]["usable"], true);
    let models = document["models"].as_array().unwrap();
    for model in models {
        // What is missing comes with the command that gets it.
        assert_ne!(model["here"] == true, model["get"].is_string(), "{model}");
    }
}

#[test]
fn local_weights_count_as_found() {
    let sandbox = Sandbox::new();
    sandbox.write("file.pt", "");
    let command = sandbox.hps("doctor --format json").env("HPS_LOOP_WEIGHTS", "hps-v2.1=file.pt");
    let models = command.expect(0).list("models");
    let here =
        |name: &str| models.iter().find(|model| model["name"] == name).unwrap()["here"] == true;
    assert!(here("hps-v2.1") && !here("hps-v2.0"));
}
