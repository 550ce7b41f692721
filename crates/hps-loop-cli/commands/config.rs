//! `hps-loop config show`.

use std::io::Write;

use super::context;
use crate::args::{Config, Global, TextOrJson};
use crate::exit::Exit;

/// Prints the configuration.
///
/// # Errors
///
/// When a source is wrong, or standard output cannot be written to.
pub fn run(global: &Global, command: &Config) -> anyhow::Result<Exit> {
    let Config::Show { format } = command;
    let loaded = context::load(global, Vec::new())?;
    let mut out = std::io::stdout().lock();
    match format {
        TextOrJson::Table => write!(out, "{}", loaded.render())?,
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut out, &loaded.to_json())?;
            writeln!(out)?;
        }
    }
    Ok(Exit::Success)
}
