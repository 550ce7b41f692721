//! `hps-loop models`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hps_loop::weights::ModelRef;
use hps_loop::weights::registry::{self, ModelEntry};
use hps_loop::{Error, ErrorKind, ModelStore, bundled};
use serde_json::json;

use super::context;
use crate::args::{Global, Models, TextOrJson};
use crate::exit::Exit;
use crate::interrupt;
use crate::output::{Align, Table};

/// Lists, pulls or verifies.
///
/// # Errors
///
/// When settings are wrong or standard output cannot be written to. A model that
/// fails is reported, and the others are worked on.
pub fn run(global: &Global, command: &Models) -> anyhow::Result<Exit> {
    let config = context::load(global, Vec::new())?.config;
    let cancel = Arc::new(AtomicBool::new(false));
    let store = context::models(global, &config, &cancel)?;
    match command {
        Models::List { format } => list(&store, *format),
        Models::Pull { models } => {
            interrupt::watch(&cancel)?;
            each(models, |model| {
                let path = pull(&store, model)?;
                writeln!(io::stdout(), "{model}  {path}").map_err(closed)
            })
        }
        Models::Verify { models, reward, arch } => {
            let check = hps_loop::VerifyOptions {
                reward: reward.as_deref().map(str::parse).transpose()?,
                arch: arch.clone(),
            };
            each(models, |model| {
                let report = store.verify(&model.parse()?, &check)?;
                writeln!(io::stdout(), "{model}: {report}").map_err(closed)
            })
        }
    }
}

fn closed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write to standard output").with_source(error)
}

/// Does `work` for every model; one that fails does not stop the others.
fn each(models: &[String], work: impl Fn(&String) -> hps_loop::Result<()>) -> anyhow::Result<Exit> {
    let mut failed = 0;
    let mut last = Exit::CannotRun;
    for model in models {
        if let Err(error) = work(model) {
            failed += 1;
            let interrupted = error.kind() == ErrorKind::Interrupted;
            last = crate::exit::report(&error.into());
            if interrupted {
                return Ok(Exit::Interrupted);
            }
        }
    }
    Ok(match failed {
        0 => Exit::Success,
        _ if failed == models.len() => last,
        _ => Exit::SomeFailed,
    })
}

fn pull(store: &ModelStore, model: &str) -> hps_loop::Result<String> {
    let shown = |path: &Path| path.display().to_string();
    match model.parse()? {
        ModelRef::Registry(name) => {
            let entry = store.entry(&name)?;
            let mut path = String::new();
            for entry in entry.with_requirements().iter().rev() {
                path = shown(&store.downloads().entry(entry)?);
            }
            Ok(path)
        }
        ModelRef::Hub { repo, revision, file: Some(file) } => {
            Ok(shown(&store.downloads().file(&repo, revision.as_deref(), &file)?))
        }
        ModelRef::Hub { repo, revision, file: None } => {
            Ok(store.downloads().diffusers_folder(&repo, revision.as_deref())?.to_string())
        }
        ModelRef::Bundled(_) | ModelRef::Path(_) => {
            Err(Error::new(ErrorKind::InvalidInput, format!("{model} is here already"))
                .with_hint("Only names of `models list` and hub references are downloaded."))
        }
    }
}

fn list(store: &ModelStore, format: TextOrJson) -> anyhow::Result<Exit> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match format {
        TextOrJson::Json => {
            let known: Vec<_> = registry::all().iter().map(|e| describe(store, e)).collect();
            let bundled: Vec<_> = bundled::all()
                .iter()
                .map(|model| {
                    json!({
                        "name": format!("bundled:{}", model.name), "kind": model.kind,
                        "title": model.title, "size": model.size, "licence": "MIT OR Apache-2.0",
                    })
                })
                .collect();
            serde_json::to_writer_pretty(&mut out, &json!({"bundled": bundled, "models": known}))?;
            writeln!(out)?;
        }
        TextOrJson::Table => {
            let mut table = Table::new(&[
                ("name", Align::Left),
                ("kind", Align::Left),
                ("here", Align::Left),
                ("size", Align::Right),
                ("licence", Align::Left),
                ("what", Align::Left),
            ]);
            for model in bundled::all() {
                table.row([
                    format!("bundled:{}", model.name),
                    model.kind.to_owned(),
                    "yes".to_owned(),
                    size(model.size),
                    "MIT OR Apache-2.0".to_owned(),
                    model.title.to_owned(),
                ]);
            }
            for entry in registry::all() {
                table.row([
                    entry.name.to_owned(),
                    entry.kind.as_str().to_owned(),
                    if store.downloads().is_cached(entry) { "yes" } else { "no" }.to_owned(),
                    about(entry),
                    entry.licence.to_owned(),
                    format!("{}: {}", entry.title, entry.notes),
                ]);
            }
            table.write(&mut out)?;
        }
    }
    out.flush()?;
    Ok(Exit::Success)
}

fn describe(store: &ModelStore, entry: &ModelEntry) -> serde_json::Value {
    let files: Vec<_> = entry
        .files
        .iter()
        .map(|file| json!({"path": file.path, "size": file.size, "sha256": file.sha256}))
        .collect();
    json!({
        "name": entry.name, "kind": entry.kind.as_str(), "title": entry.title,
        "repo": entry.repo, "revision": entry.revision, "files": files,
        "requires": entry.requires, "size": entry.total_size(),
        "approximate_size": entry.approximate_bytes, "licence": entry.licence,
        "notes": entry.notes, "gated": entry.gated, "cached": store.downloads().is_cached(entry),
    })
}

/// The exact size where it is known, else the approximate one.
fn about(entry: &ModelEntry) -> String {
    match entry.total_size() {
        Some(bytes) => size(bytes),
        None => format!("~{}", size(entry.approximate_bytes)),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
