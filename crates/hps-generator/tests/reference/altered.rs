//! Copies of a model with changed files, in memory.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Tensor};
use hps_core::Result;
use hps_generator::{LoadOptions, StableDiffusion};
use hps_weights::ModelFiles;
use serde_json::Value;

use super::Variant;

/// A copy of a model. Its bytes are never freed, which tests can afford.
pub struct Altered {
    files: BTreeMap<String, &'static [u8]>,
}

impl Altered {
    pub fn new(variant: &Variant) -> Self {
        let mut altered = Altered { files: BTreeMap::new() };
        for name in variant.files.list().unwrap() {
            altered.set(&name, variant.files.read(&name).unwrap().into_owned());
        }
        altered
    }

    fn set(&mut self, name: &str, content: Vec<u8>) {
        self.files.insert(name.to_owned(), Box::leak(content.into_boxed_slice()));
    }

    /// Removes the file `name`.
    pub fn without(mut self, name: &str) -> Self {
        assert!(self.files.remove(name).is_some(), "{name}");
        self
    }

    /// Sets `key` in the JSON file `name`.
    pub fn with_setting(mut self, name: &str, key: &str, value: Value) -> Self {
        let mut config: Value = serde_json::from_slice(self.files[name]).unwrap();
        config[key] = value;
        self.set(name, config.to_string().into_bytes());
        self
    }

    /// Changes the tensors of the weights file `name`.
    pub fn with_tensors(
        mut self,
        name: &str,
        change: impl FnOnce(HashMap<String, Tensor>) -> HashMap<String, Tensor>,
    ) -> Self {
        let tensors = candle_core::safetensors::load_buffer(self.files[name], &Device::Cpu);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changed.safetensors");
        candle_core::safetensors::save(&change(tensors.unwrap()), &path).unwrap();
        self.set(name, std::fs::read(path).unwrap());
        self
    }

    pub fn load(self) -> Result<StableDiffusion> {
        let files = ModelFiles::memory("copy", self.files);
        StableDiffusion::load(&files, LoadOptions::new("copy", Device::Cpu))
    }
}
