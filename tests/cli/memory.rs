//! Memory does not grow with the number of pictures.

#![cfg(target_os = "linux")]

use std::time::Duration;

use crate::files::gradient_ppm;
use crate::harness::{Outcome, Sandbox};

const PICTURES: usize = 1000;
/// What scoring with the small weights may take at its peak, in KiB. It takes half;
/// the pictures as the reward reads them would be 48 MiB in all.
const BOUND: u64 = 64 * 1024;

/// The most memory the process has had so far, in KiB; `None` once it has ended.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_thousand_pictures_stay_below_a_fixed_bound() {
    let sandbox = Sandbox::new();
    for seed in 0..PICTURES {
        sandbox.write(&format!("in/{seed:04}.ppm"), gradient_ppm(128, 96, seed));
    }
    let child = sandbox.score("--format csv --threads 2 --prompt fox in").spawn();
    let process = child.id();
    let waiting = std::thread::spawn(move || Outcome::of(child, "/nowhere".into()));
    let mut highest = 0;
    while !waiting.is_finished() {
        highest = highest.max(peak(process).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    let outcome = waiting.join().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.lines().count(), PICTURES + 1);
    assert!(outcome.stderr.contains("scored 1000 pictures"), "{}", outcome.stderr);
    assert!(highest > 0 && highest < BOUND, "{highest} KiB");
}
