//! Generate images from text, score every one with HPS v2, keep the best.
//!
//! Data goes to standard output, everything for people to standard error. The
//! exit status is documented in [`exit`].

mod args;
mod commands;
mod exit;
mod inputs;
mod interrupt;
mod logging;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match logging::init(&args.global).and_then(|()| commands::run(args)) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error).into(),
    }
}
