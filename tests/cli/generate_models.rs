//! `generate` with models other than the bundled one.

use crate::harness::{Hps, Sandbox, fixtures, score};
use crate::run_folder::{assert_same, candidates, manifest};

/// Model folders in the layout of diffusers.
const FOLDERS: [&str; 3] = ["sd15", "sd21", "turbo"];

fn generate(sandbox: &Sandbox, model: &str, words: &str) -> Hps {
    let command = sandbox.hps("generate fox --steps 2 --best-of 3").tiny_reward();
    let command = command.arg("--model").arg(fixtures("generator").join(model));
    command.args(words.split_whitespace())
}

#[test]
fn stable_diffusion_folders_draw_and_are_scored() {
    for model in FOLDERS {
        let sandbox = Sandbox::new();
        generate(&sandbox, model, "--out run").expect(0);
        generate(&sandbox, model, "--out again --batch-size 1").expect(0);
        assert_same(&sandbox, "run", "again");

        let results =
            sandbox.score("--prompt fox --format json run/0*.png").expect(0).list("results");
        let drawn = candidates(&sandbox, "run");
        assert_eq!((results.len(), drawn.len()), (3, 3));
        for (result, candidate) in results.iter().zip(&drawn) {
            assert_eq!(score(result).to_bits(), score(candidate).to_bits(), "{model}");
            assert_eq!(candidate["scores"]["hps-v2.1"], candidate["score"]);
        }
        let run = manifest(&sandbox, "run");
        assert_eq!(run["reward"]["id"], "hps-v2.1");
        assert!(run["model"]["model"].as_str().unwrap().ends_with(model), "{run}");
    }
}

#[test]
fn a_folder_with_a_missing_part_is_named() {
    let sandbox = Sandbox::new();
    let whole = fixtures("generator").join("sd15");
    let without = |part: &str| {
        let copy = sandbox.path("copy");
        let _ = std::fs::remove_dir_all(&copy);
        copy_folder(&whole, &copy);
        std::fs::remove_file(copy.join(part)).unwrap();
        let command = sandbox.hps("generate fox --reward demo --model ./copy --out run");
        let outcome = command.refused();
        let folder = part.split('/').next().unwrap();
        assert!(outcome.stderr.contains(folder), "{part}: {outcome:#?}");
        assert!(!sandbox.path("run").exists());
    };
    for part in [
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "scheduler/scheduler_config.json",
    ] {
        without(part);
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &copy),
            // Fixtures are read-only; copies must not be.
            false => std::fs::write(copy, std::fs::read(&path).unwrap()).unwrap(),
        }
    }
}

#[test]
fn several_rewards_rank_together() {
    let sandbox = Sandbox::new();
    let words = "generate fox --steps 1 --best-of 4 --out run --combine zscore \
                 --reward hps-v2.1=1,demo=0.5";
    sandbox.hps(words).tiny_weights("hps-v2.1").expect(0);
    let drawn = candidates(&sandbox, "run");
    let scores: Vec<f32> = drawn.iter().map(score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    // Standardised over the group: each part has mean 0.
    assert!(scores.iter().sum::<f32>().abs() < 1e-4, "{scores:?}");
    for candidate in &drawn {
        assert_eq!(candidate["scores"].as_object().unwrap().len(), 2, "{candidate}");
    }
    let reward = &manifest(&sandbox, "run")["reward"];
    assert_eq!(reward["combine"], "zscore");
    assert_eq!(reward["weights"], serde_json::json!([1.0, 0.5]));
}
