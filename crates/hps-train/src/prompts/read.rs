//! Prompts from the files that people have.

use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;

use hps_core::{Error, ErrorKind, Result};
use serde_json::Value;

/// The longest prompt in bytes. Whatever is longer is no prompt: the models read 77
/// tokens, rarely 512.
pub const MAX_PROMPT_BYTES: usize = 32 * 1024;

/// How a file holds prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptFormat {
    /// One prompt a line; `text`, files ending in `.txt` or anything unknown.
    Text,
    /// A JSON list of strings or of objects; `json`.
    Json,
    /// A JSON string or object a line; `jsonl`, `.jsonl` or `.ndjson`.
    JsonLines,
    /// Comma-separated values with a header; `csv`.
    Csv,
}

impl PromptFormat {
    /// The format that the ending of a file's name stands for.
    pub fn of(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "json" => PromptFormat::Json,
            "jsonl" | "ndjson" => PromptFormat::JsonLines,
            "csv" => PromptFormat::Csv,
            _ => PromptFormat::Text,
        }
    }
}

impl FromStr for PromptFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "text" => Ok(PromptFormat::Text),
            "json" => Ok(PromptFormat::Json),
            "jsonl" => Ok(PromptFormat::JsonLines),
            "csv" => Ok(PromptFormat::Csv),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("unknown format '{text}'"))
                .with_hint("Formats of prompts are text, json, jsonl and csv.")),
        }
    }
}

/// A prompt, or why there is none where one should be.
#[derive(Debug)]
pub struct Entry {
    /// Its line in the file, or its place in a JSON list; from 1.
    pub line: usize,
    /// The prompt, exactly as it is in the file.
    pub prompt: Result<String>,
}

/// The prompts in `bytes`, the content of the file `name`.
///
/// Empty lines and empty prompts are skipped. In objects and in CSV the prompt is in
/// the field `column`, for CSV in any case. A broken line becomes an [`Entry`] with an
/// error.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] if the file as a whole cannot be understood: JSON that
/// is no list, CSV without the column.
pub fn parse(name: &str, bytes: &[u8], format: PromptFormat, column: &str) -> Result<Vec<Entry>> {
    // Windows editors put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut entries = match format {
        PromptFormat::Text => lines(bytes, |line| Ok(utf8(line)?.into_owned())),
        PromptFormat::JsonLines => lines(bytes, |line| {
            let value = serde_json::from_slice(line).map_err(|error| no_prompt(&error))?;
            of_value(value, column)
        }),
        PromptFormat::Json => list(name, bytes, column)?,
        PromptFormat::Csv => csv_column(name, bytes, column)?,
    };
    entries.retain(|entry| entry.prompt.as_ref().map_or(true, |text| !text.trim().is_empty()));
    for entry in &mut entries {
        entry.check(name);
    }
    Ok(entries)
}

impl Entry {
    /// Refuses what is too long and puts the place in front of errors.
    fn check(&mut self, name: &str) {
        let taken = std::mem::replace(&mut self.prompt, Ok(String::new()));
        let checked = match taken {
            Ok(text) if text.len() > MAX_PROMPT_BYTES => {
                let message = format!("{} bytes are no prompt", text.len());
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
            other => other,
        };
        self.prompt = checked.map_err(|e| e.context(format!("{name}, line {}", self.line)));
    }
}

fn lines(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<String>) -> Vec<Entry> {
    let all = bytes.split(|&byte| byte == b'\n').enumerate();
    let strip =
        |(index, line): (usize, _)| (index + 1, <[u8]>::strip_suffix(line, b"\r").unwrap_or(line));
    all.map(strip)
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(line, text)| Entry { line, prompt: parse(text) })
        .collect()
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| no_prompt(&error))
}

fn no_prompt(why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("no prompt: {why}"))
}

fn of_value(value: Value, column: &str) -> Result<String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Object(mut fields) => match fields.remove(column) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(no_prompt(&format!("\"{column}\" is no text"))),
            None => Err(no_prompt(&format!("there is no \"{column}\""))),
        },
        _ => Err(no_prompt(&"neither text nor object")),
    }
}

fn list(name: &str, bytes: &[u8], column: &str) -> Result<Vec<Entry>> {
    let values: Vec<Value> = serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("{name} is no JSON list: {error}"))
            .with_hint("One JSON object a line is the format jsonl.")
    })?;
    let numbered = values.into_iter().enumerate();
    Ok(numbered
        .map(|(index, value)| Entry { line: index + 1, prompt: of_value(value, column) })
        .collect())
}

fn csv_column(name: &str, bytes: &[u8], column: &str) -> Result<Vec<Entry>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let unreadable = |error: csv::Error| {
        Error::new(ErrorKind::InvalidInput, format!("{name} is no CSV: {error}"))
    };
    let header = reader.byte_headers().map_err(unreadable)?.clone();
    let is_column =
        |field: &[u8]| field.trim_ascii().eq_ignore_ascii_case(column.trim().as_bytes());
    let place = header.iter().position(is_column).ok_or_else(|| {
        let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
        Error::new(ErrorKind::InvalidInput, format!("{name} has no column \"{column}\""))
            .with_hint(format!("Name one with --column; there are: {}.", names.join(", ")))
    })?;
    let mut entries = Vec::new();
    let mut record = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(entries),
            Ok(true) => {}
            Err(error) => return Err(unreadable(error)),
        }
        let line = record.position().map_or(0, csv::Position::line);
        let prompt = match record.get(place) {
            Some(field) => utf8(field).map(Cow::into_owned),
            None => Err(no_prompt(&format!("there is no \"{column}\""))),
        };
        entries.push(Entry { line: usize::try_from(line).unwrap_or_default(), prompt });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn shown(format: PromptFormat, bytes: &[u8]) -> Vec<String> {
        let entries = parse("f", bytes, format, "prompt").unwrap();
        let show = |entry: Entry| match entry.prompt {
            Ok(text) => format!("{} {text}", entry.line),
            Err(error) => error.message().to_owned(),
        };
        entries.into_iter().map(show).collect()
    }

    #[test]
    fn text() {
        let bytes = b"\xef\xbb\xbfa fox\r\n\n  \nb\xff\n a dog ";
        let lines = shown(PromptFormat::Text, bytes);
        assert_eq!(lines[0], "1 a fox");
        assert!(lines[1].starts_with("f, line 4: no prompt: invalid utf-8"), "{lines:?}");
        assert_eq!(lines[2], "5  a dog ");
        let long = "x".repeat(MAX_PROMPT_BYTES + 1);
        assert!(shown(PromptFormat::Text, long.as_bytes())[0].contains("32769 bytes"));
    }

    #[test]
    fn json() {
        let bytes =
            br#"["a fox", {"prompt": "a dog", "id": 1}, 3, {"text": "x"}, {"prompt": 1}, ""]"#;
        assert_eq!(
            shown(PromptFormat::Json, bytes),
            [
                "1 a fox",
                "2 a dog",
                "f, line 3: no prompt: neither text nor object",
                "f, line 4: no prompt: there is no \"prompt\"",
                "f, line 5: no prompt: \"prompt\" is no text",
            ]
        );
        let error = parse("f", b"{}\n{}", PromptFormat::Json, "prompt").unwrap_err();
        assert!(error.message().contains("no JSON list"), "{error}");
    }

    #[test]
    fn json_lines() {
        let bytes = b"\"a fox\"\n{\"prompt\": \"two\\nlines\"}\n{\"prompt\": \n\n[]";
        let lines = shown(PromptFormat::JsonLines, bytes);
        assert_eq!((lines[0].as_str(), lines[1].as_str()), ("1 a fox", "2 two\nlines"));
        assert!(lines[2].starts_with("f, line 3: no prompt: EOF"), "{lines:?}");
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn csv() {
        let bytes = b"id, Prompt \n1,\"a fox, red\"\n2\n3,a dog,more\n4,\n";
        assert_eq!(
            shown(PromptFormat::Csv, bytes),
            ["2 a fox, red", "f, line 3: no prompt: there is no \"prompt\"", "4 a dog"]
        );
        let error = parse("f", b"id,text\n1,a", PromptFormat::Csv, "prompt").unwrap_err();
        assert!(error.hint().unwrap().contains("id, text"), "{error:?}");
        let entries = parse("f", b"id,text\n1,a", PromptFormat::Csv, "text").unwrap();
        assert_eq!(entries[0].prompt.as_deref().unwrap(), "a");
    }

    #[test]
    fn formats_by_name() {
        for (path, format) in [
            ("a.JSON", PromptFormat::Json),
            ("a.ndjson", PromptFormat::JsonLines),
            ("a.csv", PromptFormat::Csv),
            ("a.txt", PromptFormat::Text),
            ("a", PromptFormat::Text),
        ] {
            assert_eq!(PromptFormat::of(Path::new(path)), format, "{path}");
        }
        assert!("yaml".parse::<PromptFormat>().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for format in ["text", "json", "jsonl", "csv"] {
                let _ = parse("f", &bytes, format.parse().unwrap(), "prompt");
            }
        }
    }
}
