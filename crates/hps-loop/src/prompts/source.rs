//! Prompts from a file.

use std::io::{self, Read};
use std::path::Path;

use hps_core::{Error, ErrorKind, Result};
use hps_train::prompts::{Entry, PromptFormat, parse};

/// The prompts in the file `path`; `-` is standard input. Without `format` the file's
/// ending says what it is. `column` is where objects and CSV hold the prompt.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] or [`ErrorKind::Io`] if the file cannot be read,
/// [`ErrorKind::InvalidInput`] if it cannot be understood as a whole or has nothing in
/// it. A broken line is an [`Entry`].
pub fn read_prompts(path: &Path, format: Option<PromptFormat>, column: &str) -> Result<Vec<Entry>> {
    let stdin = path == Path::new("-");
    let name = if stdin { "<stdin>".to_owned() } else { path.display().to_string() };
    let bytes = if stdin {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes.map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot read prompts from {name}")).with_source(error)
    })?;
    let entries = parse(&name, &bytes, format.unwrap_or_else(|| PromptFormat::of(path)), column)?;
    if entries.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{name} has no prompts")));
    }
    Ok(entries)
}
