//! One command per file.

mod completions;
mod config;
mod context;
mod doctor;
mod generate;
mod models;
mod score;

use crate::args::{Args, Command};
use crate::exit::Exit;

/// Runs the command that `args` name.
///
/// # Errors
///
/// Whatever keeps the command from running at all.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let global = args.global;
    match args.command {
        Command::Generate(options) => generate::run(&global, &options),
        Command::Score(options) => score::run(&global, &options),
        Command::Models { command } => models::run(&global, &command),
        Command::Config { command } => config::run(&global, &command),
        Command::Doctor { format } => doctor::run(&global, format),
        Command::Completions { shell } => completions::run(shell),
    }
}
