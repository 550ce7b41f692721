//! Scores two pictures by a prompt with the bundled, untrained reward.
//!
//! For real scores: `.reward("hps-v2.1")`, which downloads the weights once, or
//! add `.weights("/models/HPS_v2.1_compressed.pt")`.

#![allow(clippy::print_stdout)]

use hps_loop::{Image, Scorer};

fn main() -> hps_loop::Result<()> {
    let scorer = Scorer::builder().reward("demo").build()?;
    let dark = Image::from_rgb8(64, 64, vec![20; 64 * 64 * 3])?;
    let light = Image::from_rgb8(64, 64, vec![230; 64 * 64 * 3])?;
    println!("dark: {}", scorer.score(&dark, "a grey square")?);
    for ranked in scorer.rank(&[dark, light], "a grey square")? {
        println!("picture {} with {}", ranked.index, ranked.score);
    }
    Ok(())
}
