//! A reward of your own: prefers dark pictures.

#![allow(clippy::print_stdout)]

use hps_loop::{
    Image, Pipeline, Precision, Prepared, PreparedPair, Result, Reward, RewardInfo, SampleOptions,
    Score, Scorer,
};

struct Darkness;

impl Reward for Darkness {
    fn info(&self) -> RewardInfo {
        RewardInfo {
            id: "darkness".into(),
            weights_sha256: None,
            preprocess: "none".into(),
            precision: Precision::F32,
            kernel: "host".into(),
        }
    }

    fn prepare(&self, image: &Image) -> Result<Prepared> {
        let sum: f64 = image.as_rgb8().iter().map(|&v| f64::from(v)).sum();
        Ok(Prepared::new((1.0 - sum / image.as_rgb8().len() as f64 / 255.0) as f32))
    }

    fn score_prepared(&self, batch: &[PreparedPair<'_>]) -> Vec<Result<Score>> {
        batch.iter().map(|pair| Score::new(*pair.image.downcast_ref::<f32>()?)).collect()
    }
}

fn main() -> Result<()> {
    let mut pipeline = Pipeline::builder()
        .best_of(4)
        .options(SampleOptions { num_inference_steps: Some(5), ..Default::default() })
        .ready_scorer(Scorer::from_reward(Darkness))
        .build()?;
    for drawn in pipeline.run("a red fox in the snow")? {
        println!("candidate {}: {}", drawn.candidate.spec.candidate, drawn.candidate.score);
    }
    Ok(())
}
