//! Writes pictures, captions, preference pairs and rankings to a folder.
//!
//! ```text
//! cargo run --release -p hps-world --example world_dataset -- --out DIR --pairs 20000
//! ```
//!
//! | file | what |
//! |---|---|
//! | `train.json` | pairs in HPD v2's form |
//! | `test.json` | rankings in HPD v2's form, with ten simulated annotators each |
//! | `captions.jsonl` | prompt, picture and scene of every picture that fits its prompt |
//! | `pairs.jsonl` | what is wrong with the rejected picture of each pair |
//! | `rankings.jsonl` | true ranks and all faults |
//! | `dataset.json` | the options |
//!
//! Paths are relative to the folder; its subfolders hold 1,000 pictures at most. The
//! bytes of all files are a function of the options.

mod export;
mod options;

use std::process::ExitCode;
use std::time::Instant;

use options::Options;

#[allow(clippy::print_stderr)]
fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    match export::export(&options) {
        Ok(pictures) => {
            let seconds = start.elapsed().as_secs_f64();
            let rate = pictures as f64 / seconds.max(1e-9);
            eprintln!("{pictures} pictures in {seconds:.1} s, {rate:.0} per second");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.full_message());
            if let Some(hint) = error.hint() {
                eprintln!("{hint}");
            }
            ExitCode::FAILURE
        }
    }
}
