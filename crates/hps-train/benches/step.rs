//! Seconds per optimiser step of a small CLIP trained from scratch.
//!
//! `cargo bench -p hps-train --bench step -- [COMPARISONS [MICRO_BATCH]]`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Instant;

use hps_clip::{ClipConfig, TextConfig, VisionConfig};
use hps_nn::Activation;
use hps_train::initial::random_parameters;
use hps_train::loss::{LossKind, Reduction, Target};
use hps_train::model::ClipModel;
use hps_train::optimiser::{AdamW, OptimiserState};
use hps_train::trainer::{Example, StepOptions, Trainer};

/// 64x64 pictures, 2.7 million parameters in the image tower.
fn config() -> ClipConfig {
    let activation = Activation::Gelu;
    let vision = VisionConfig {
        image_size: 64,
        patch_size: 8,
        width: 192,
        layers: 6,
        heads: 6,
        mlp_width: 768,
        activation,
        eps: 1e-5,
    };
    let text = TextConfig {
        context_length: 32,
        vocab_size: 1000,
        width: 128,
        layers: 4,
        heads: 4,
        mlp_width: 512,
        activation,
        eps: 1e-5,
    };
    ClipConfig { embed_dim: 128, vision, text }
}

fn example(index: usize) -> Example {
    let picture = |k: usize| {
        (0..3 * 64 * 64).map(|i| ((i * (k + 2)) as f32 * 0.001).sin()).collect::<Vec<f32>>()
    };
    let mut ids: Vec<u32> = (0..14).map(|i| ((index * 31 + i * 7) % 998) as u32).collect();
    ids.push(999);
    ids.resize(32, 0);
    let pictures = vec![picture(2 * index), picture(2 * index + 1)];
    Example { ids, end: 14, pictures, target: Target { label: vec![1.0, 0.0], ranks: vec![1, 2] } }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let comparisons = numbers.first().copied().unwrap_or(64);
    let micro_batch = numbers.get(1).copied().unwrap_or(16);
    let config = config();
    let parameters = random_parameters(&config, 0, &candle_core::Device::Cpu).unwrap();
    let model = ClipModel::new(&config, &parameters).unwrap();
    let mut trainer = Trainer::new(model, parameters, OptimiserState::default());
    let batch: Vec<Example> = (0..comparisons).map(example).collect();
    let options = StepOptions {
        loss: LossKind::CrossEntropy,
        reduction: Reduction::Mean,
        micro_batch,
        gradient_checkpointing: false,
        max_gradient_norm: None,
        optimiser: AdamW::default(),
    };
    let mut best = f64::INFINITY;
    for step in 0..6 {
        let started = Instant::now();
        let report = trainer.step(&batch, &options, 1e-3).unwrap();
        let seconds = started.elapsed().as_secs_f64();
        best = best.min(seconds);
        println!("step {step}: {seconds:.3} s, loss {:.4}", report.mean_loss);
    }
    let images = 2 * comparisons;
    println!(
        "{images} images in parts of {micro_batch} pairs: {:.1} images/s",
        images as f64 / best
    );
}
