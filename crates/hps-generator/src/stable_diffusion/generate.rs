//! Advancing sessions.

use std::collections::BTreeMap;

use candle_core::Tensor;
use hps_core::{
    Error, ErrorKind, Generator, GeneratorInfo, Image, NoiseTag, Result, SampleSpec, Session,
};
use hps_nn::model_error;

use super::model::{StableDiffusion, own, own_mut};
use super::session::{StableDiffusionSession, StartOptions};
use crate::sampler::{StepInput, StepOutput};

/// One item of a forward pass.
struct Row<'a> {
    /// The session, as an index into those being predicted.
    session: usize,
    /// The latents as the network wants to see them.
    input: &'a [f32],
    timestep: f64,
    states: &'a Tensor,
}

impl Generator for StableDiffusion {
    fn info(&self) -> GeneratorInfo {
        self.description()
    }

    fn start(&mut self, spec: &SampleSpec) -> Result<Box<dyn Session>> {
        Ok(Box::new(self.start_with(spec, StartOptions::default())?))
    }

    fn step_batch(&mut self, sessions: &mut [Box<dyn Session>]) -> Result<()> {
        let all: Vec<&StableDiffusionSession> =
            sessions.iter().map(|session| own(session.as_ref())).collect::<Result<_>>()?;
        let unfinished: Vec<usize> =
            (0..all.len()).filter(|&index| !all[index].is_finished()).collect();
        let active: Vec<_> = unfinished.iter().map(|&index| all[index]).collect();
        let outputs = self.predict(&active)?;
        let steps = active.iter().zip(&outputs).map(|(session, output)| advance(session, output));
        // Everything that can fail is done before the first session changes.
        let steps: Vec<StepOutput> = steps.collect::<Result<_>>()?;
        for (index, step) in unfinished.into_iter().zip(steps) {
            let session = own_mut(sessions[index].as_mut())?;
            session.nfe += session.evaluations();
            session.step += 1;
            session.latents = step.sample;
            session.x0 = Some(step.x0);
        }
        Ok(())
    }

    fn decode(&mut self, sessions: &[Box<dyn Session>]) -> Vec<Result<Image>> {
        sessions.iter().map(|session| self.decode_one(session.as_ref())).collect()
    }
}

/// The sampler's step with the guided `output` of the network.
fn advance(session: &StableDiffusionSession, output: &[f32]) -> Result<StepOutput> {
    let sampler = session.sampler();
    let noise = match sampler.noise_draws() {
        0 => None,
        _ => {
            let key = session.spec.noise_key(session.step as u32, NoiseTag::Step);
            Some(session.noise.draw(key, session.latents.len())?)
        }
    };
    sampler.step(StepInput {
        step: session.step,
        model_output: output,
        sample: &session.latents,
        noise: noise.as_deref(),
    })
}

impl StableDiffusion {
    /// The network's guided output for the next step of each session, in the order
    /// of their latents. Sessions may differ in everything, and must not be
    /// finished.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if a session is finished,
    /// [`ErrorKind::Model`] if the network fails.
    pub fn predict(&self, sessions: &[&StableDiffusionSession]) -> Result<Vec<Vec<f32>>> {
        if sessions.iter().any(|session| session.is_finished()) {
            return Err(Error::new(ErrorKind::InvalidInput, "a session is finished"));
        }
        let inputs = sessions
            .iter()
            .map(|session| session.sampler().scale_model_input(session.step, session.latents()));
        let inputs: Vec<Vec<f32>> = inputs.collect();
        let mut by_shape: BTreeMap<[usize; 3], Vec<Row<'_>>> = BTreeMap::new();
        for (index, (session, input)) in sessions.iter().zip(&inputs).enumerate() {
            let timestep = f64::from(session.sampler().timesteps()[session.step]);
            let rows = by_shape.entry(session.shape).or_default();
            for states in [Some(&session.prompt), session.negative.as_ref()].into_iter().flatten() {
                rows.push(Row { session: index, input, timestep, states });
            }
        }
        let mut outputs: Vec<Vec<Vec<f32>>> = sessions.iter().map(|_| Vec::new()).collect();
        for (shape, rows) in &by_shape {
            for rows in rows.chunks(self.max_batch()) {
                let predicted = self.forward(*shape, rows).map_err(model_error)?;
                for (row, values) in rows.iter().zip(predicted) {
                    outputs[row.session].push(values);
                }
            }
        }
        let guided = sessions.iter().zip(outputs);
        Ok(guided.map(|(session, outputs)| guide(session.spec.guidance_scale, outputs)).collect())
    }

    /// One forward pass over latents of one shape.
    fn forward(
        &self,
        [channels, height, width]: [usize; 3],
        rows: &[Row<'_>],
    ) -> candle_core::Result<Vec<Vec<f32>>> {
        let values: Vec<f32> = rows.iter().flat_map(|row| row.input.iter().copied()).collect();
        let shape = (rows.len(), channels, height, width);
        let sample = Tensor::from_vec(values, shape, self.device())?;
        let timesteps: Vec<f64> = rows.iter().map(|row| row.timestep).collect();
        let states: Vec<&Tensor> = rows.iter().map(|row| row.states).collect();
        let states = Tensor::stack(&states, 0)?;
        self.unet().forward(&sample, &timesteps, &states)?.flatten_from(1)?.to_vec2()
    }
}

/// Classifier-free guidance (<https://arxiv.org/abs/2207.12598>): `outputs` are
/// the network's for the prompt and, with guidance, for the negative prompt.
fn guide(scale: f32, outputs: Vec<Vec<f32>>) -> Vec<f32> {
    let mut outputs = outputs.into_iter();
    let mut guided = outputs.next().unwrap_or_default();
    if let Some(negative) = outputs.next() {
        for (value, negative) in guided.iter_mut().zip(negative) {
            *value = negative + scale * (*value - negative);
        }
    }
    guided
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guidance_goes_from_the_negative_through_the_prompt() {
        let outputs = || vec![vec![2.0, 1.0], vec![1.0, 3.0]];
        assert_eq!(guide(1.0, outputs()), [2.0, 1.0]);
        assert_eq!(guide(3.0, outputs()), [4.0, -3.0]);
        assert_eq!(guide(0.0, vec![vec![5.0]]), [5.0]);
    }

    #[test]
    fn generators_and_sessions_can_move_between_threads() {
        fn send<T: Send>() {}
        send::<StableDiffusion>();
        send::<StableDiffusionSession>();
    }
}
