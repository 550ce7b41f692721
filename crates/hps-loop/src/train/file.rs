//! Reading a training file, and settings that replace some of it.

use std::path::Path;

use hps_core::{Error, ErrorKind, Result};
use toml::{Table, Value};

use super::config::TrainConfig;

impl TrainConfig {
    /// Reads the file at `path` and replaces what `settings` say: `table.key=value`,
    /// with a value as in the file, or bare text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] or [`ErrorKind::Io`] when the file cannot be read;
    /// [`ErrorKind::InvalidConfig`], with the line, for what is no TOML, for unknown
    /// keys and for values of a wrong type.
    pub fn read(path: &Path, settings: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Io,
            };
            Error::new(kind, format!("cannot read {}: {error}", path.display())).with_source(error)
        })?;
        TrainConfig::parse(&text, &path.display().to_string(), settings)
    }

    /// As [`read`](Self::read), from the text of a file that `name` stands for.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn parse(text: &str, name: &str, settings: &[String]) -> Result<Self> {
        // The text alone first: its mistakes have lines.
        toml::from_str::<TrainConfig>(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line(text, span.start));
            invalid(format!("{name} line {line}: {}", error.message()))
        })?;
        let mut table: Table = text.parse().map_err(|error| invalid(format!("{name}: {error}")))?;
        for setting in settings {
            set(&mut table, setting)?;
            // One by one, so that the error is about this one.
            TrainConfig::of(&table).map_err(|error| {
                invalid(format!("--set {setting}: {}", error.message().trim_end()))
            })?;
        }
        TrainConfig::of(&table).map_err(|error| invalid(format!("{name}: {}", error.message())))
    }

    fn of(table: &Table) -> std::result::Result<Self, toml::de::Error> {
        table.clone().try_into()
    }
}

/// Puts `table.key=value` into a table.
fn set(table: &mut Table, setting: &str) -> Result<()> {
    let usage = || {
        invalid(format!("--set {setting}: not of the form TABLE.KEY=VALUE"))
            .with_hint("For example `--set optimiser.learning-rate=1e-4`.")
    };
    let (key, value) = setting.split_once('=').ok_or_else(usage)?;
    let (section, key) = key.trim().split_once('.').ok_or_else(usage)?;
    let entries = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(entries) = entries else { return Err(usage()) };
    entries.insert(key.to_owned(), parse_value(value.trim()));
    Ok(())
}

/// A value as TOML writes it; whatever is none is text.
fn parse_value(text: &str) -> Value {
    let document = format!("value = {text}").parse::<Table>();
    let value = document.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The line of a byte, from 1.
fn line(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count()
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::PathBuf;

    use hps_train::lock::Lock;

    use super::*;

    fn parse(text: &str, settings: &[&str]) -> Result<TrainConfig> {
        let settings: Vec<String> = settings.iter().map(|&s| s.to_owned()).collect();
        TrainConfig::parse(text, "t.toml", &settings)
    }

    #[test]
    fn settings_replace_what_the_file_says() {
        let text = "[run]\nsteps = 5\n[lock]\nunlocked-text-layers = 3\n";
        let config = parse(
            text,
            &["run.steps=9", "data.images=some folder", "optimiser.learning-rate = 1e-4"],
        )
        .unwrap();
        assert_eq!(config.run.steps, Some(9));
        assert_eq!(config.data.images, PathBuf::from("some folder"));
        assert_eq!(config.optimiser.learning_rate, 1e-4);
        let lock = Lock { unlocked_text_layers: Some(3), unlocked_image_groups: None };
        assert_eq!(config.lock, lock);
    }

    #[test]
    fn mistakes_have_a_place() {
        let message =
            |text: &str, settings: &[&str]| parse(text, settings).unwrap_err().message().to_owned();
        let unknown = message("[run]\nsteps = 5\nbatchsize = 7\n", &[]);
        assert!(unknown.starts_with("t.toml line 3: unknown field `batchsize`"), "{unknown}");
        assert!(unknown.contains("`batch-size`"), "{unknown}");
        let kind = message("[run]\nsteps = \"many\"\n", &[]);
        assert!(kind.starts_with("t.toml line 2: invalid type"), "{kind}");
        let table = message("\n[optimizer]\n", &[]);
        assert!(table.starts_with("t.toml line 2: unknown field `optimizer`"), "{table}");
        let setting = message("", &["run.step=4"]);
        assert!(setting.starts_with("--set run.step=4: unknown field `step`"), "{setting}");
        let form = message("", &["steps=4"]);
        assert_eq!(form, "--set steps=4: not of the form TABLE.KEY=VALUE");
    }
}
