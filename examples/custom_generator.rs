//! A generator of your own: a plain colour drawn from the noise key, in one step.

#![allow(clippy::print_stdout)]

use std::any::Any;

use hps_loop::{
    Generator, GeneratorInfo, Image, NoiseTag, Pipeline, Precision, Result, SampleDefaults,
    SampleSpec, Scorer, Session,
};

struct Plain;

#[derive(Clone)]
struct Colour(SampleSpec, u32);

impl Session for Colour {
    fn spec(&self) -> &SampleSpec {
        &self.0
    }
    fn step(&self) -> u32 {
        self.1
    }
    fn steps(&self) -> u32 {
        1
    }
    fn nfe(&self) -> u64 {
        u64::from(self.1)
    }
    fn fork(&self) -> Box<dyn Session> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Generator for Plain {
    fn info(&self) -> GeneratorInfo {
        let scheduler = String::from("none");
        let (num_inference_steps, guidance_scale) = (1, 1.0);
        let defaults = SampleDefaults {
            width: 64,
            height: 64,
            num_inference_steps,
            guidance_scale,
            scheduler,
        };
        GeneratorInfo {
            model: "plain".into(),
            family: "example".into(),
            model_sha256: None,
            precision: Precision::F32,
            kernel: "host".into(),
            schedulers: vec![defaults.scheduler.clone()],
            defaults,
        }
    }

    fn start(&mut self, spec: &SampleSpec) -> Result<Box<dyn Session>> {
        Ok(Box::new(Colour(spec.clone(), 0)))
    }

    fn step_batch(&mut self, sessions: &mut [Box<dyn Session>]) -> Result<()> {
        for colour in sessions.iter_mut().filter_map(|s| s.as_any_mut().downcast_mut::<Colour>()) {
            colour.1 = 1;
        }
        Ok(())
    }

    fn decode(&mut self, sessions: &[Box<dyn Session>]) -> Vec<Result<Image>> {
        let draw = |session: &dyn Session| {
            let (width, height) = (session.spec().width, session.spec().height);
            // A toy hash of the key; a real generator makes noise of it.
            let key = session.spec().noise_key(0, NoiseTag::Initial).to_bytes();
            let hash = key.iter().fold(1u32, |h, &b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
            let [r, g, b, _] = hash.to_le_bytes();
            Image::from_rgb8(width, height, [r, g, b].repeat((width * height) as usize))
        };
        sessions.iter().map(|session| draw(session.as_ref())).collect()
    }
}

fn main() -> Result<()> {
    let scorer = Scorer::builder().reward("demo").build()?;
    let mut pipeline =
        Pipeline::builder().generator(Plain).ready_scorer(scorer).best_of(4).build()?;
    for drawn in pipeline.run("a plain colour")? {
        println!("{:?}: {}", &drawn.image.as_rgb8()[..3], drawn.candidate.score);
    }
    Ok(())
}
