//! `training.json`: five AdamW steps with locked layers.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use hps_clip::ClipConfig;
use hps_clip::tokenizer::Tokenizer;
use hps_train::lock::Lock;
use hps_train::loss::{LossKind, Reduction, Target};
use hps_train::model::{ClipModel, Parameters, squared_norm};
use hps_train::optimiser::{AdamW, OptimiserState};
use hps_train::schedule::Schedule;
use hps_train::trainer::{Example, StepOptions, Trainer};
use serde::Deserialize;

use crate::place;

const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Training {
    pairs: Vec<(String, String)>,
    labels: Vec<Vec<f32>>,
    prompts: Vec<String>,
    unlocked_image_groups: usize,
    unlocked_text_layers: usize,
    trainable: Vec<String>,
    optimizer: Optimizer,
    steps: Vec<Step>,
    grad_norm_step0: BTreeMap<String, f64>,
    param_norm_after: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Optimizer {
    lr: f64,
    weight_decay: f64,
    betas: (f64, f64),
    eps: f64,
    warmup: u64,
    total: u64,
}

#[derive(Deserialize)]
struct Step {
    step: u64,
    lr: f64,
    loss: f64,
    logit_scale: f64,
}

fn examples(training: &Training, pixels: &BTreeMap<String, Tensor>) -> Vec<Example> {
    let tokenizer = Tokenizer::open_clip();
    let picture = |name: &String| -> Vec<f32> {
        let tensor = &pixels[&format!("{name}/antialias")];
        tensor.flatten_all().and_then(|values| values.to_vec1()).unwrap()
    };
    let example = |((pair, prompt), label): ((&(String, String), &String), &Vec<f32>)| {
        let encoding = tokenizer.encode(prompt);
        Example {
            ids: encoding.ids,
            end: encoding.end,
            pictures: vec![picture(&pair.0), picture(&pair.1)],
            target: Target { label: label.clone(), ranks: vec![1, 2] },
        }
    };
    training.pairs.iter().zip(&training.prompts).zip(&training.labels).map(example).collect()
}

fn close(what: &str, ours: f64, theirs: f64, worst: &mut f64) {
    let difference = (ours - theirs).abs() / theirs.abs().max(1e-9);
    *worst = worst.max(difference);
    assert!(difference <= TOLERANCE, "{what}: {ours} instead of {theirs} ({difference:e})");
}

#[test]
fn five_steps_are_those_of_the_reference() {
    let Some(training) = place::json::<Training>("reward", "training.json") else { return };
    let needed = ["hps-tiny.json", "hps-tiny.safetensors", "preprocess.safetensors"];
    let Some(paths) =
        needed.iter().map(|name| place::find("reward", name)).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let arch = std::fs::read_to_string(&paths[0]).unwrap();
    let config = ClipConfig::from_open_clip(&arch).expect("an architecture");
    let checkpoint = hps_weights::Checkpoint::open(&paths[1]).expect("a checkpoint");
    let pixels = candle_core::safetensors::load(&paths[2], &Device::Cpu).expect("tensors");
    let examples = examples(&training, &pixels.into_iter().collect());
    let checkpoint = checkpoint.canonical().expect("names");
    let optimizer = &training.optimizer;
    let lock = Lock {
        unlocked_image_groups: Some(training.unlocked_image_groups),
        unlocked_text_layers: Some(training.unlocked_text_layers),
    };
    let schedule =
        Schedule { learning_rate: optimizer.lr, warmup: optimizer.warmup, steps: optimizer.total };
    // The whole batch at once, in parts, and with layers computed twice.
    for (micro_batch, gradient_checkpointing) in [(6, false), (4, false), (1, true)] {
        let mut parameters =
            Parameters::load(&config, &checkpoint, &Device::Cpu).expect("parameters");
        parameters.restrict(|name| lock.trains(&config, name));
        let mut ours: Vec<&str> = parameters.trainable().map(|(name, _)| name).collect();
        let mut theirs: Vec<&str> = training.trainable.iter().map(String::as_str).collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs);
        let model = ClipModel::new(&config, &parameters).expect("a model");
        let mut trainer = Trainer::new(model, parameters, OptimiserState::default());
        let options = StepOptions {
            loss: LossKind::CrossEntropy,
            reduction: Reduction::Sum,
            micro_batch,
            gradient_checkpointing,
            max_gradient_norm: None,
            optimiser: AdamW {
                beta1: optimizer.betas.0,
                beta2: optimizer.betas.1,
                eps: optimizer.eps,
                weight_decay: optimizer.weight_decay,
            },
        };
        let mut worst = 0f64;
        for step in &training.steps {
            let rate = schedule.learning_rate(step.step);
            close("learning rate", rate, step.lr, &mut worst);
            let report = trainer.step(&examples, &options, rate).expect("a step");
            close("loss", report.loss, step.loss, &mut worst);
            let scale = f64::from(report.logit_scale);
            close("logit scale", scale, step.logit_scale, &mut worst);
            if step.step == 0 {
                let parameters = trainer.parameters();
                let mut checked = 0;
                for (name, _, gradient) in trainer.gradients().iter(parameters) {
                    let norm = squared_norm(gradient).unwrap().sqrt();
                    close(name, norm, training.grad_norm_step0[name], &mut worst);
                    checked += 1;
                }
                assert_eq!(checked, training.grad_norm_step0.len());
            }
        }
        let mut checked = 0;
        for (name, value) in trainer.parameters().iter() {
            let norm = squared_norm(value).unwrap().sqrt();
            close(name, norm, training.param_norm_after[name], &mut worst);
            checked += 1;
        }
        assert_eq!(checked, training.param_norm_after.len());
        println!("parts of {micro_batch}, checkpointing {gradient_checkpointing}: worst {worst:e}");
    }
}
