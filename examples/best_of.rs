//! Draws four candidates with the bundled, untrained models and prints their order.

#![allow(clippy::print_stdout)]

use hps_loop::{Pipeline, SampleOptions};

fn main() -> hps_loop::Result<()> {
    let options = SampleOptions { num_inference_steps: Some(5), ..Default::default() };
    let mut pipeline = Pipeline::builder().best_of(4).options(options).build()?;
    for drawn in pipeline.run("a red fox in the snow")? {
        println!("candidate {}: {}", drawn.candidate.spec.candidate, drawn.candidate.score);
    }
    Ok(())
}
