//! One command per file.

mod bench;
mod completions;
mod config;
mod context;
mod data;
mod doctor;
mod eval;
mod generate;
mod models;
#[cfg(feature = "endpoint")]
mod prompt_endpoint;
mod prompts;
mod score;
mod train;

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
        Command::Eval(options) => eval::run(&global, &options),
        Command::Train(options) => train::run(&global, &options),
        Command::Data { command } => data::run(&global, &command),
        Command::Prompts { command } => prompts::run(&global, &command),
        Command::Models { command } => models::run(&global, &command),
        Command::Config { command } => config::run(&global, &command),
        Command::Bench { command } => bench::run(&global, &command),
        Command::Doctor { format } => doctor::run(&global, format),
        Command::Completions { shell } => completions::run(shell),
    }
}
