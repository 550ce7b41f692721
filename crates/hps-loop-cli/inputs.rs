//! What the user names: pictures by file, glob, folder or list; prompts; pairs.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use hps_loop::{Error, ErrorKind, Prompt, ScoreItem};
use serde::Deserialize;

/// Endings of the files that a folder argument stands for.
const IMAGE_ENDINGS: [&str; 13] =
    ["png", "jpg", "jpeg", "jpe", "webp", "gif", "bmp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"];

/// A thing to score, or why it is none.
pub enum Input {
    /// A file and its prompt.
    Item(ScoreItem),
    /// Something that could not be understood: its name and the reason.
    Bad(String, Error),
}

/// The files that `arguments` name, each with `prompt`.
///
/// # Errors
///
/// When standard input cannot be read. Names that match nothing are
/// [`Input::Bad`]: they must not stop the others.
pub fn images(arguments: &[PathBuf], prompt: &str) -> anyhow::Result<Vec<Input>> {
    let prompt = Prompt::from(prompt);
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument == Path::new("-") {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut bytes);
            read.context("cannot read names from standard input")?;
            let names = bytes
                .split(|&byte| byte == b'\n')
                .map(|name| name.strip_suffix(b"\r").unwrap_or(name));
            let names = names.filter(|name| !name.trim_ascii().is_empty());
            inputs.extend(names.map(|name| item(path_of(name), &prompt)));
        } else {
            inputs.extend(expand(argument, &prompt));
        }
    }
    Ok(inputs)
}

/// A file name as the system gives it: any bytes on Unix.
#[cfg(unix)]
fn path_of(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

#[cfg(not(unix))]
fn path_of(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

fn item(path: PathBuf, prompt: &Prompt) -> Input {
    Input::Item(ScoreItem { path, prompt: prompt.clone() })
}

fn expand(argument: &Path, prompt: &Prompt) -> Vec<Input> {
    let bad = |error| vec![Input::Bad(argument.display().to_string(), error)];
    let items = |files: Vec<PathBuf>| files.into_iter().map(|path| item(path, prompt)).collect();
    if argument.is_dir() {
        return folder(argument).map_or_else(bad, items);
    }
    match argument.to_str() {
        Some(pattern) if pattern.contains(['*', '?', '[']) && !argument.exists() => {
            matches(pattern).map_or_else(bad, items)
        }
        _ => items(vec![argument.to_owned()]),
    }
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, Error> {
    let invalid = |error: glob::PatternError| {
        Error::new(ErrorKind::InvalidInput, format!("'{pattern}' is no valid pattern"))
            .with_source(error)
    };
    let files: Vec<PathBuf> =
        glob::glob(pattern).map_err(invalid)?.flatten().filter(|path| path.is_file()).collect();
    if files.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("no file matches '{pattern}'")));
    }
    Ok(files)
}

/// The pictures directly in a folder, by name.
fn folder(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error: io::Error| {
        Error::new(ErrorKind::Io, format!("cannot read folder {}", path.display()))
            .with_source(error)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if file.is_file() && IMAGE_ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) {
            files.push(file);
        }
    }
    if files.is_empty() {
        let message = format!("folder {} has no pictures", path.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    files.sort();
    Ok(files)
}

/// A line may have more than these two, such as the id of a data set.
#[derive(Deserialize)]
struct PairLine {
    image: PathBuf,
    prompt: String,
}

/// The pairs of a JSONL file; `-` is standard input. Image paths are relative to
/// the current folder. Empty lines are skipped.
///
/// # Errors
///
/// When the file cannot be read. Bad lines are [`Input::Bad`].
pub fn pairs(path: &Path) -> anyhow::Result<Vec<Input>> {
    let name = if path == Path::new("-") { "<stdin>".into() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("cannot read pairs from standard input")?;
    } else {
        bytes = fs::read(path).with_context(|| format!("cannot read pairs from {name}"))?;
    }
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let parse = |(index, line): (usize, &[u8])| {
        if line.trim_ascii().is_empty() {
            return None;
        }
        Some(match serde_json::from_slice::<PairLine>(line) {
            Ok(pair) => Input::Item(ScoreItem { path: pair.image, prompt: pair.prompt.into() }),
            Err(error) => {
                let message = format!("{name}, line {}: not a pair", index + 1);
                let error = Error::new(ErrorKind::InvalidInput, message).with_source(error);
                Input::Bad(format!("{name}:{}", index + 1), error)
            }
        })
    };
    Ok(lines.filter_map(parse).collect())
}

/// Prompts given as arguments and, one a line, in a file. Empty lines are skipped.
///
/// # Errors
///
/// When the file cannot be read, is not UTF-8, or there is no prompt at all.
pub fn prompts(arguments: &[String], file: Option<&Path>) -> anyhow::Result<Vec<Prompt>> {
    let mut prompts: Vec<Prompt> = arguments.iter().map(|text| text.as_str().into()).collect();
    if let Some(path) = file {
        let text = if path == Path::new("-") {
            io::read_to_string(io::stdin().lock())
        } else {
            fs::read_to_string(path)
        };
        let text = text.with_context(|| format!("cannot read prompts from {}", path.display()))?;
        // Windows editors put a byte order mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        prompts.extend(text.lines().filter(|line| !line.trim().is_empty()).map(Prompt::from));
    }
    anyhow::ensure!(!prompts.is_empty(), "there is no prompt");
    Ok(prompts)
}

/// A colour: `white`, `black` or `#rrggbb`.
///
/// # Errors
///
/// For anything else.
pub fn colour(text: &str) -> anyhow::Result<[u8; 3]> {
    // `from_str_radix` would take a sign.
    let is_hex = |text: &&str| text.len() == 6 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    match text {
        "white" => Ok([255; 3]),
        "black" => Ok([0; 3]),
        _ => {
            let digits = text.strip_prefix('#').filter(is_hex).and_then(hex);
            let value = digits
                .with_context(|| format!("'{text}' is no colour; write white, black or #rrggbb"))?;
            let [_, r, g, b] = value.to_be_bytes();
            Ok([r, g, b])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours() {
        assert_eq!(colour("white").ok(), Some([255, 255, 255]));
        assert_eq!(colour("#ff8000").ok(), Some([255, 128, 0]));
        for wrong in ["", "red", "#fff", "ff8000", "#ff80zz", "#ff80000", "#+f8000"] {
            assert!(colour(wrong).is_err(), "{wrong}");
        }
    }
}
