//! `generator/`: the numbers of diffusers, for every variant and scheduler there.

#[path = "../../crates/hps-generator/tests/reference/mod.rs"]
mod reference;

use hps_core::{Generator, Session};
use hps_generator::sampler::Sampler;
use hps_generator::vae::to_image;
use hps_generator::{StableDiffusion, detect};
use hps_weights::ModelFiles;
use reference::{Scheduler, Variant, deviation, own, values, variants};

use crate::place;

/// Largest difference allowed, in standard deviations of the reference.
const TOLERANCE: f64 = 1e-4;

/// The number of `f32` values between two of the same sign.
fn ulps(a: f32, b: f32) -> u32 {
    a.to_bits().abs_diff(b.to_bits())
}

fn check(what: &str, actual: &[f32], expected: &[f32]) -> f64 {
    let found = deviation(actual, expected);
    assert!(found <= TOLERANCE, "{what} differs by {found:.2e} standard deviations");
    found
}

/// Everything that is skipped is on the list, and nothing on it is supported.
#[test]
fn what_is_skipped_is_on_the_list() {
    let Ok(entries) = std::fs::read_dir(reference::root()) else {
        return place::skip("generator", "absent");
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let folder = path.with_extension("");
        if !folder.is_dir() {
            place::skip(&format!("generator/{name}"), "absent");
            continue;
        }
        let supported = detect(&ModelFiles::folder(folder).unwrap()).is_ok();
        assert_ne!(supported, place::not_yet(&format!("generator/{name}")), "{name}");
        if !supported {
            continue;
        }
        let meta: reference::Meta = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (scheduler, run) in &meta.schedulers {
            assert_ne!(run.kind().is_some(), place::not_yet(scheduler), "{name}/{scheduler}");
        }
    }
}

#[test]
fn prompts() {
    for variant in variants() {
        let mut model = variant.load();
        let ids: Vec<Vec<i64>> = variant.tensor("prompt_ids").to_vec2().unwrap();
        let states = ["prompt_states", "negative_states"].map(|name| variant.tensor(name));
        for (index, prompt) in variant.meta.prompts.iter().enumerate() {
            let own_ids: Vec<i64> = model.token_ids(prompt).into_iter().map(i64::from).collect();
            assert_eq!(own_ids, ids[index], "{}: {prompt}", variant.name);
            for (states, text) in states.iter().zip([prompt, &variant.meta.negative_prompt]) {
                let own_states = values(&model.encode_prompt(text).unwrap());
                let expected = values(&states.get(index).unwrap());
                let found = check(&format!("{}: {text}", variant.name), &own_states, &expected);
                eprintln!("{} states of {text:?}: {found:.1e}", variant.name);
            }
        }
    }
}

#[test]
fn schedules() {
    for variant in variants() {
        for (name, scheduler) in variant.runs() {
            let config = scheduler.settings();
            let (kind, steps) = (scheduler.kind().unwrap(), scheduler.steps as usize);
            let sampler = Sampler::new(kind, &config, steps, scheduler.eta).unwrap();
            let what = format!("{}/{name}", variant.name);
            let close = |actual: &[f32], expected: &[f32]| {
                assert_eq!(actual.len(), expected.len(), "{what}");
                let ulps = actual.iter().zip(expected).map(|(a, b)| ulps(*a, *b)).max().unwrap();
                // The vector code of torch and NumPy may be off in the last place.
                assert!(ulps <= 2, "{what}: {actual:?} {expected:?}");
                eprintln!("{what}: {ulps} ulp");
            };
            close(sampler.timesteps(), &scheduler.timesteps);
            close(&[sampler.init_noise_sigma()], &[scheduler.init_noise_sigma]);
            assert_eq!(sampler.sigmas().is_some(), scheduler.sigmas.is_some(), "{what}");
            if let (Some(actual), Some(expected)) = (sampler.sigmas(), &scheduler.sigmas) {
                close(actual, expected);
            }
            assert_eq!(sampler.noise_draws() * steps, scheduler.noise_draws, "{what}");
        }
    }
}

#[test]
fn pictures() {
    for variant in variants() {
        let mut model = variant.load();
        for (name, scheduler) in variant.runs() {
            let sessions = check_steps(&variant, &mut model, name, scheduler);
            check_pictures(&variant, &mut model, name, &sessions);
        }
    }
}

/// Checks the first model output, and latents and x0 after every step.
fn check_steps(
    variant: &Variant,
    model: &mut StableDiffusion,
    name: &str,
    scheduler: &Scheduler,
) -> Vec<Box<dyn Session>> {
    let prompts = 0..variant.meta.prompts.len();
    let mut sessions: Vec<Box<dyn Session>> = prompts
        .map(|index| Box::new(variant.start(model, scheduler, index)) as Box<dyn Session>)
        .collect();
    let what = |tensor: &str| format!("{}/{name}/{tensor}", variant.name);
    let own_sessions: Vec<_> = sessions.iter().map(|session| own(session.as_ref())).collect();
    let output = model.predict(&own_sessions).unwrap().concat();
    let expected = values(variant.tensor(&format!("{name}/model_output0")));
    let worst = check(&what("model_output0"), &output, &expected);
    eprintln!("{}: {worst:.1e}", what("model_output0"));
    let (latents, x0) = (format!("{name}/latents"), format!("{name}/x0"));
    let (mut worst_latents, mut worst_x0) = (0f64, 0f64);
    for step in 0..scheduler.steps as usize {
        model.step_batch(&mut sessions).unwrap();
        let join = |part: fn(&dyn Session) -> &[f32]| -> Vec<f32> {
            sessions.iter().flat_map(|session| part(session.as_ref())).copied().collect()
        };
        let expected = values(&variant.tensor(&latents).get(step).unwrap());
        let found = check(&what("latents"), &join(|s| own(s).latents()), &expected);
        worst_latents = worst_latents.max(found);
        if let Some(expected) = variant.tensors.get(&x0) {
            let expected = values(&expected.get(step).unwrap());
            let found = check(&what("x0"), &join(|s| own(s).x0().unwrap()), &expected);
            worst_x0 = worst_x0.max(found);
        }
    }
    eprintln!("{}: {worst_latents:.1e}, x0: {worst_x0:.1e}", what("latents"));
    let evaluations = if scheduler.guidance_scale > 1.0 { 2 } else { 1 };
    for session in &sessions {
        assert_eq!(session.step(), session.steps());
        assert_eq!(session.nfe(), evaluations * u64::from(scheduler.steps));
    }
    sessions
}

/// Checks the decoder's output and the bytes.
fn check_pictures(
    variant: &Variant,
    model: &mut StableDiffusion,
    name: &str,
    sessions: &[Box<dyn Session>],
) {
    let images = model.decode(sessions);
    for (index, (session, image)) in sessions.iter().zip(images).enumerate() {
        let what = format!("{}/{name}/image {index}", variant.name);
        let pixels = model.decode_pixels(own(session.as_ref())).unwrap();
        let expected = variant.tensor(&format!("{name}/image")).get(index).unwrap();
        let found = check(&what, &values(&pixels), &values(&expected));
        eprintln!("{what}: {found:.1e}");
        let image = image.unwrap();
        assert_eq!(image, to_image(&pixels).unwrap());
        if let Some(bytes) = variant.tensors.get(&format!("{name}/image_u8")) {
            let bytes: Vec<u8> =
                bytes.get(index).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let levels = image.as_rgb8().iter().zip(&bytes).map(|(a, b)| a.abs_diff(*b));
            let equal = image.as_rgb8().iter().zip(&bytes).filter(|(a, b)| a == b).count();
            assert!(levels.max().unwrap() <= 1, "{what}");
            eprintln!("{what}: {equal} of {} bytes equal", bytes.len());
        }
    }
}
