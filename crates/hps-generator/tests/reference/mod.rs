//! Values computed by diffusers, see `tests/fixtures` of the workspace.

#![allow(clippy::unwrap_used, clippy::print_stderr, dead_code)]

pub mod altered;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use hps_core::{Prompt, SampleSpec, Seed, Session};
use hps_generator::sampler::{SamplerKind, SchedulerConfig};
use hps_generator::{
    GivenNoise, LoadOptions, StableDiffusion, StableDiffusionSession, StartOptions, detect,
};
use hps_weights::ModelFiles;
use serde::Deserialize;

/// One model with what diffusers computed for it.
pub struct Variant {
    pub name: String,
    pub files: ModelFiles,
    pub meta: Meta,
    pub tensors: HashMap<String, Tensor>,
}

/// `<variant>.json`.
#[derive(Deserialize)]
pub struct Meta {
    pub prompts: Vec<String>,
    pub negative_prompt: String,
    pub schedulers: BTreeMap<String, Scheduler>,
}

/// One run of a variant.
#[derive(Clone, Deserialize)]
pub struct Scheduler {
    pub class: String,
    pub config: SchedulerConfig,
    pub steps: u32,
    pub timesteps: Vec<f32>,
    pub sigmas: Option<Vec<f32>>,
    pub init_noise_sigma: f32,
    pub guidance_scale: f32,
    pub noise_draws: usize,
    pub eta: f32,
}

impl Scheduler {
    /// Our sampler of the same algorithm, if there is one.
    pub fn kind(&self) -> Option<SamplerKind> {
        SamplerKind::from_class_name(&self.class)
    }

    /// The settings as a model of this scheduler would have them.
    pub fn settings(&self) -> SchedulerConfig {
        SchedulerConfig { class_name: Some(self.class.clone()), ..self.config.clone() }
    }
}

/// The folder of the generator fixtures.
pub fn root() -> PathBuf {
    let root = match std::env::var_os("HPS_FIXTURES") {
        Some(root) => PathBuf::from(root),
        // This file belongs to tests of the crate and of the workspace.
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|folder| folder.join("tests/fixtures"))
            .find(|folder| folder.is_dir())
            .expect("the workspace's fixtures"),
    };
    root.join("generator")
}

/// All variants in the fixtures that this crate can run; the others are named.
pub fn variants() -> Vec<Variant> {
    let root = root();
    let Ok(entries) = std::fs::read_dir(&root) else {
        eprintln!("skipped generator: absent");
        return Vec::new();
    };
    let entries = entries.map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    let mut variants = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let files = ModelFiles::folder(&folder).unwrap();
        if let Err(error) = detect(&files) {
            eprintln!("skipped {name}: {error}");
            continue;
        }
        let meta = root.join(format!("{name}.json"));
        let tensors = root.join(format!("{name}.safetensors"));
        if let Some(absent) = [&meta, &tensors].into_iter().find(|path| !path.exists()) {
            eprintln!("skipped {name}: {} is absent", absent.display());
            continue;
        }
        let meta = std::fs::read(meta).unwrap();
        variants.push(Variant {
            name,
            files,
            meta: serde_json::from_slice(&meta).unwrap(),
            tensors: candle_core::safetensors::load(tensors, &Device::Cpu).unwrap(),
        });
    }
    // A folder of somebody else may hold whatever it likes; ours must be tested.
    let ours = std::env::var_os("HPS_FIXTURES").is_none();
    assert!(!(ours && variants.is_empty()), "no variant in {} can be run", root.display());
    variants
}

impl Variant {
    pub fn load(&self) -> StableDiffusion {
        let mut options = LoadOptions::new(&self.name, Device::Cpu);
        options.precision = hps_core::Precision::F32;
        StableDiffusion::load(&self.files, options).unwrap()
    }

    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    /// The runs whose sampler is implemented; the others are named.
    pub fn runs(&self) -> Vec<(&str, &Scheduler)> {
        let mut runs = Vec::new();
        for (name, scheduler) in &self.meta.schedulers {
            match scheduler.kind() {
                Some(_) => runs.push((name.as_str(), scheduler)),
                None => eprintln!("skipped {}/{name}: {}", self.name, scheduler.class),
            }
        }
        let ours = std::env::var_os("HPS_FIXTURES").is_none();
        assert!(!(ours && runs.is_empty()), "no scheduler of {} is implemented", self.name);
        runs
    }

    /// The specification of the picture of prompt `index`.
    pub fn spec(&self, scheduler: &Scheduler, index: usize) -> SampleSpec {
        let latents = self.tensor("noise").dims().to_vec();
        let image = self.meta.schedulers.keys().next().unwrap();
        let pixels = self.tensor(&format!("{image}/image")).dims().to_vec();
        assert_eq!(pixels[2] * latents[3], pixels[3] * latents[2]);
        SampleSpec {
            prompt: Prompt::from(self.meta.prompts[index].clone()),
            negative_prompt: Some(Prompt::from(self.meta.negative_prompt.clone())),
            seed: Seed(0),
            candidate: 0,
            width: pixels[3] as u32,
            height: pixels[2] as u32,
            num_inference_steps: scheduler.steps,
            guidance_scale: scheduler.guidance_scale,
            scheduler: scheduler.kind().unwrap().id().to_owned(),
            eta: scheduler.eta,
        }
    }

    /// A session for prompt `index` with the noise that diffusers used.
    pub fn start(
        &self,
        model: &mut StableDiffusion,
        scheduler: &Scheduler,
        index: usize,
    ) -> StableDiffusionSession {
        let initial = item(self.tensor("noise"), index);
        let injected = self.tensor("injected");
        let steps = (0..injected.dim(0).unwrap()).map(|i| item(&injected.get(i).unwrap(), index));
        let options = StartOptions {
            scheduler: Some(scheduler.settings()),
            noise: Arc::new(GivenNoise::new(initial, steps.collect())),
        };
        model.start_with(&self.spec(scheduler, index), options).unwrap()
    }
}

/// The values of one item of a batch.
pub fn item(tensor: &Tensor, index: usize) -> Vec<f32> {
    values(&tensor.get(index).unwrap())
}

/// All values of a tensor.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference of `actual` from `expected` in standard deviations of
/// `expected`.
pub fn deviation(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let count = expected.len() as f64;
    let mean = expected.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let square = expected.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    let differences = actual.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()));
    let worst = differences.fold(0.0, |a: f64, b| if b.is_nan() { f64::NAN } else { a.max(b) });
    worst / square.sqrt()
}

/// The session behind the trait object.
pub fn own(session: &dyn Session) -> &StableDiffusionSession {
    session.as_any().downcast_ref().unwrap()
}
