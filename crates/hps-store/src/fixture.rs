//! A small deterministic run for the tests of this crate.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use hps_core::{
    Candidate, Error, ErrorKind, GeneratorInfo, Image, Precision, Prompt, Result, SampleDefaults,
    SampleSpec, Score, Seed, Warning, WarningKind,
};
use serde_json::json;

use crate::{
    Existing, MANIFEST_FORMAT, PromptDir, PromptResult, RunDir, RunManifest, RunOptions, RunStatus,
    SessionEnd,
};

/// What the candidates score; `None` fails. With a tie for the first place.
pub(crate) const SCORES: [Option<f32>; 6] =
    [Some(0.2), Some(0.3), None, Some(0.1), Some(0.3), Some(0.25)];

pub(crate) fn spec(candidate: u32) -> SampleSpec {
    SampleSpec {
        prompt: Prompt::from("ein Fuchs 狐"),
        negative_prompt: None,
        seed: Seed(7),
        candidate,
        width: 3,
        height: 2,
        num_inference_steps: 2,
        guidance_scale: 1.1,
        scheduler: "ddim".into(),
        eta: 0.0,
    }
}

pub(crate) fn specs(best_of: u32) -> Vec<SampleSpec> {
    (0..best_of).map(spec).collect()
}

pub(crate) fn image(candidate: u32) -> Image {
    Image::from_rgb8(3, 2, vec![candidate as u8; 18]).unwrap()
}

pub(crate) fn candidate(index: u32, score: f32) -> Candidate {
    Candidate {
        spec: spec(index),
        score: Score::new(score).unwrap(),
        scores: Default::default(),
        nfe: 4,
    }
}

pub(crate) fn manifest(best_of: u32) -> RunManifest {
    RunManifest {
        format: MANIFEST_FORMAT,
        hps_loop_version: "0.1.0".into(),
        command: "generate".into(),
        status: RunStatus::Running,
        model: GeneratorInfo {
            model: "bundled:demo".into(),
            family: "demo".into(),
            model_sha256: Some("ab".into()),
            precision: Precision::F32,
            kernel: "host".into(),
            defaults: SampleDefaults {
                width: 3,
                height: 2,
                num_inference_steps: 2,
                guidance_scale: 1.1,
                scheduler: "ddim".into(),
            },
            schedulers: vec!["ddim".into()],
        },
        reward: json!({"id": "demo", "weights_sha256": null}),
        parameters: json!({"width": 3, "height": 2}),
        settings: json!({"batch_size": 4}),
        prompts: vec![Prompt::from("ein Fuchs 狐")],
        seed: Seed(7),
        best_of,
        nfe: 0,
        seconds: 0.0,
        started: None,
        finished: None,
    }
}

pub(crate) fn options(existing: Existing, top: Option<usize>) -> RunOptions {
    RunOptions { existing, top, lock_wait: Duration::ZERO }
}

/// Stores the outcome of one candidate of the run.
pub(crate) fn store(prompt: &mut PromptDir, index: u32) -> Result<()> {
    match SCORES[index as usize] {
        Some(score) => {
            let warnings = [Warning::new(WarningKind::UnfamiliarScript, "mostly not Latin")];
            prompt.store(&candidate(index, score), &warnings, &image(index))
        }
        None => prompt.store_failure(&spec(index), &Error::new(ErrorKind::Model, "it broke")),
    }
}

/// A whole session: resumes, draws what is missing in `order`, finishes.
pub(crate) fn session(dir: &Path, top: Option<usize>, order: &[u32]) -> Result<PromptResult> {
    logged_session(dir, top, order, &mut Vec::new())
}

/// A [`session`] that notes every candidate as soon as it need not be drawn again.
pub(crate) fn logged_session(
    dir: &Path,
    top: Option<usize>,
    order: &[u32],
    done: &mut Vec<u32>,
) -> Result<PromptResult> {
    let (run, mut prompt) = resume(dir, top, order.len() as u32)?;
    done.extend(prompt.completed().keys());
    for &index in order {
        if !done.contains(&index) {
            store(&mut prompt, index)?;
            done.extend(SCORES[index as usize].map(|_| index));
        }
    }
    let result = prompt.finish()?;
    run.finish(end())?;
    Ok(result)
}

/// Opens a run of one prompt.
pub(crate) fn resume(dir: &Path, top: Option<usize>, best_of: u32) -> Result<(RunDir, PromptDir)> {
    let run = RunDir::create(dir, options(Existing::Resume, top), manifest(best_of))?;
    let prompt = run.prompt(0, &specs(best_of))?;
    Ok((run, prompt))
}

pub(crate) fn end() -> SessionEnd {
    SessionEnd {
        status: RunStatus::Finished,
        nfe: 8,
        seconds: 1.5,
        finished: Some("2030-01-01T00:00:00Z".into()),
    }
}

/// All files below a folder with their bytes, without manifest and lock.
pub(crate) fn snapshot(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                files.insert(format!("{name}/"), Vec::new());
                pending.push(path);
            } else if name != "run.json" && name != ".lock" {
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}
