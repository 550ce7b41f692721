//! How often the judge is right, and how quick drawing and judging are.
//!
//! ```text
//! cargo run --release -p hps-world --example world_judge -- [scenes] [side]
//! ```
//!
//! Half of the scenes are of the train split, half are held-out combinations. Every
//! claim about a scene is checked, on the clean picture and on each kind of damage.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::Instant;

use hps_core::{Error, ErrorKind, Result, Seed, Style};
use hps_world::judge::{Judge, Verdict, check};
use hps_world::{Attribute, Claims, DEFAULT_SIDE, Damage, SceneSpec, Split, World};
use rayon::prelude::*;

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let mut number = |default| {
        let wrong = |error| Error::new(ErrorKind::InvalidInput, format!("no number: {error}"));
        numbers.next().unwrap_or(Ok(default)).map_err(wrong)
    };
    let (scenes, side) = (number(2000)?, number(DEFAULT_SIDE)?);
    let start = Instant::now();
    let judge = Judge::new(side)?;
    println!("calibration {:.2} s", start.elapsed().as_secs_f64());
    print!("{:<24}", "");
    Attribute::ALL.iter().for_each(|attribute| print!("{:>12}", attribute.id()));
    println!("{:>14}", "pictures/s");
    let clean = measure("clean", &judge, scenes, side, None)?;
    for style in Style::ALL {
        let of_style = clean.iter().filter(|(scene, _)| scene.style == style);
        print_row(style.id(), of_style.flat_map(|(_, verdicts)| verdicts));
        println!();
    }
    for damage in Damage::ALL {
        measure(&format!("{damage} 1"), &judge, scenes, side, Some((damage, 1)))?;
    }
    Ok(())
}

/// Draws, spoils and judges; prints a row.
fn measure(
    name: &str,
    judge: &Judge,
    scenes: u32,
    side: u32,
    damage: Option<(Damage, u8)>,
) -> Result<Vec<(SceneSpec, Vec<Verdict>)>> {
    let start = Instant::now();
    let one = |index: u32| {
        let split = if index.is_multiple_of(2) { Split::Train } else { Split::HeldOut };
        let mut picture = World::new(split, Seed(77)).captioned(u64::from(index)).picture;
        picture.damages.extend(damage);
        let reading = judge.read(&picture.render(side)?);
        Ok((picture.scene, check(&reading, &Claims::from(picture.scene))))
    };
    let judged: Result<Vec<_>> = (0..scenes).into_par_iter().map(one).collect();
    let judged = judged?;
    print_row(name, judged.iter().flat_map(|(_, verdicts)| verdicts));
    println!("{:>14.0}", f64::from(scenes) / start.elapsed().as_secs_f64());
    Ok(judged)
}

/// The share of correct verdicts of every attribute, in per cent.
fn print_row<'a>(name: &str, verdicts: impl Iterator<Item = &'a Verdict>) {
    let mut counts: BTreeMap<Attribute, (u32, u32)> = BTreeMap::new();
    for verdict in verdicts {
        let (correct, all) = counts.entry(verdict.attribute).or_default();
        *correct += u32::from(verdict.correct);
        *all += 1;
    }
    print!("{name:<24}");
    for (correct, all) in counts.into_values() {
        print!("{:>12.2}", 100.0 * f64::from(correct) / f64::from(all));
    }
}
