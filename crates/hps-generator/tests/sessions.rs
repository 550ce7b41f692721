//! What callers may rely on: a picture depends on its specification alone.

#![allow(clippy::unwrap_used)]

mod reference;

use std::collections::HashSet;

use candle_core::Device;
use hps_core::{Generator, Image, Prompt, SampleOptions, SampleSpec, Seed, Session, WarningKind};
use hps_generator::{LoadOptions, StableDiffusion, StartOptions};
use reference::{own, variants};

type Sessions = Vec<Box<dyn Session>>;

/// Specifications that differ in prompt, size, steps, guidance, sampler and noise.
fn specs(model: &StableDiffusion) -> Vec<SampleSpec> {
    let defaults = model.info().defaults;
    // Latents of an odd width do not come back by doubling.
    let odd = 11 * model.pixels_per_latent();
    let spec = |prompt: &str, candidate, options: SampleOptions| {
        let prompt = Prompt::from(prompt);
        options.resolve(&defaults, &prompt, Seed(3), candidate)
    };
    let options = |scheduler: &str, steps, guidance| SampleOptions {
        scheduler: Some(scheduler.into()),
        num_inference_steps: Some(steps),
        guidance_scale: Some(guidance),
        ..SampleOptions::default()
    };
    vec![
        spec("a red fox", 0, options("ddim", 3, 7.5)),
        spec("a red fox", 1, SampleOptions { eta: Some(1.0), ..options("ddim", 4, 7.5) }),
        spec("two boats", 0, options("euler", 2, 1.0)),
        spec("", 0, SampleOptions { width: Some(odd), ..options("euler", 3, 2.0) }),
        spec(
            "two boats",
            0,
            SampleOptions {
                negative_prompt: Some(Prompt::from("blurry")),
                ..options("ddim", 3, 4.0)
            },
        ),
    ]
}

fn finish(model: &mut StableDiffusion, sessions: &mut Sessions) {
    while sessions.iter().any(|session| session.step() < session.steps()) {
        model.step_batch(sessions).unwrap();
    }
}

fn pictures(model: &mut StableDiffusion, sessions: &Sessions) -> Vec<Image> {
    model.decode(sessions).into_iter().map(Result::unwrap).collect()
}

/// Each picture drawn by itself.
fn alone(model: &mut StableDiffusion, specs: &[SampleSpec]) -> Vec<Image> {
    let mut images = Vec::new();
    for spec in specs {
        let mut sessions = vec![model.start(spec).unwrap()];
        finish(model, &mut sessions);
        images.extend(pictures(model, &sessions));
    }
    images
}

fn bits(session: &dyn Session) -> Vec<u32> {
    own(session).latents().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_batch_changes_nothing() {
    for variant in variants() {
        let mut model = variant.load();
        let specs = specs(&model);
        let expected = alone(&mut model, &specs);
        let mut together: Sessions = specs.iter().map(|spec| model.start(spec).unwrap()).collect();
        finish(&mut model, &mut together);
        assert!(pictures(&mut model, &together) == expected, "{}", variant.name);
        // Each session joins a step later, so all are at different steps.
        let mut staggered: Sessions = Vec::new();
        for spec in &specs {
            staggered.push(model.start(spec).unwrap());
            model.step_batch(&mut staggered).unwrap();
        }
        finish(&mut model, &mut staggered);
        assert!(pictures(&mut model, &staggered) == expected, "{}", variant.name);
        let distinct: HashSet<_> = expected.iter().map(Image::as_rgb8).collect();
        assert_eq!(distinct.len(), specs.len());
    }
}

#[test]
fn neither_history_nor_batch_limit_matters() {
    let variant = variants().remove(0);
    let mut model = variant.load();
    let specs = specs(&model);
    let expected = alone(&mut model, &specs);
    let mut options = LoadOptions::new("x", Device::Cpu);
    options.max_batch = 1;
    let mut model = StableDiffusion::load(&variant.files, options).unwrap();
    let reversed = specs.iter().rev();
    let mut sessions: Sessions = reversed.map(|spec| model.start(spec).unwrap()).collect();
    finish(&mut model, &mut sessions);
    sessions.reverse();
    assert!(pictures(&mut model, &sessions) == expected);
}

#[test]
fn a_fork_continues_like_its_original() {
    let variant = variants().remove(0);
    let mut model = variant.load();
    for spec in specs(&model) {
        let mut original = vec![model.start(&spec).unwrap()];
        model.step_batch(&mut original).unwrap();
        let before = bits(original[0].as_ref());
        let mut fork = vec![original[0].fork()];
        finish(&mut model, &mut original);
        assert_eq!(bits(fork[0].as_ref()), before);
        assert_eq!((fork[0].step(), fork[0].spec()), (1, &spec));
        finish(&mut model, &mut fork);
        assert_eq!(bits(fork[0].as_ref()), bits(original[0].as_ref()));
        assert_eq!(fork[0].nfe(), original[0].nfe());
    }
}

#[test]
fn finished_sessions_are_left_alone() {
    let variant = variants().remove(0);
    let mut model = variant.load();
    let spec = specs(&model).remove(0);
    let mut sessions = vec![model.start(&spec).unwrap()];
    finish(&mut model, &mut sessions);
    let (latents, nfe) = (bits(sessions[0].as_ref()), sessions[0].nfe());
    assert_eq!(nfe, 2 * u64::from(spec.num_inference_steps));
    model.step_batch(&mut sessions).unwrap();
    assert_eq!((bits(sessions[0].as_ref()), sessions[0].nfe()), (latents, nfe));
    model.step_batch(&mut []).unwrap();
    assert!(model.predict(&[own(sessions[0].as_ref())]).is_err());
}

#[test]
fn a_picture_can_be_seen_at_every_step() {
    let variant = variants().remove(0);
    let mut model = variant.load();
    let spec = specs(&model).remove(3);
    let mut sessions = vec![model.start(&spec).unwrap()];
    let mut seen = HashSet::new();
    for _ in 0..=spec.num_inference_steps {
        let image = pictures(&mut model, &sessions).remove(0);
        assert_eq!((image.width(), image.height()), (spec.width, spec.height));
        seen.insert(image.as_rgb8().to_vec());
        model.step_batch(&mut sessions).unwrap();
    }
    assert!(seen.len() > 2);
}

#[test]
fn noise_belongs_to_the_candidate() {
    let variant = variants().remove(0);
    let mut model = variant.load();
    let spec = specs(&model).remove(0);
    let mut latents = |spec: &SampleSpec| {
        model.start_with(spec, StartOptions::default()).unwrap().latents().to_vec()
    };
    let first = latents(&spec);
    for other in [
        SampleSpec { candidate: 1, ..spec.clone() },
        SampleSpec { seed: Seed(4), ..spec.clone() },
        SampleSpec { prompt: Prompt::from("another"), ..spec.clone() },
    ] {
        assert_ne!(latents(&other), first);
    }
    // What is not part of the key leaves the noise as it is.
    let same = SampleSpec { num_inference_steps: 5, guidance_scale: 2.0, ..spec };
    assert_eq!(latents(&same), first);
}

#[test]
fn long_prompts_are_cut_with_a_warning() {
    let variant = variants().remove(0);
    let mut model = variant.load();
    let long = "a fox and ".repeat(40);
    let kinds: Vec<_> = model.check_prompt(&long).into_iter().map(|w| w.kind).collect();
    assert_eq!(kinds, [WarningKind::PromptTruncated]);
    let ids = model.token_ids(&long);
    assert_eq!(ids.len(), 77);
    let spec = SampleSpec { prompt: Prompt::from(long), ..specs(&model).remove(0) };
    assert!(model.start(&spec).is_ok());
}
