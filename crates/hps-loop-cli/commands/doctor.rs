//! `hps-loop doctor`.

use std::io::{self, Write};
use std::sync::Arc;

use hps_loop::weights::registry;
use hps_loop::{DeviceSpec, Kernel, ModelStore, Precision, bundled, kernel_name, open_device};
use serde::Serialize;

use super::context;
use crate::args::{Global, TextOrJson};
use crate::exit::Exit;

#[derive(Serialize)]
struct Report {
    version: &'static str,
    devices: Vec<Device>,
    precisions: Vec<&'static str>,
    kernels: Vec<KernelReport>,
    threads: usize,
    cpu_features: Vec<&'static str>,
    memory_total_mib: Option<u64>,
    memory_available_mib: Option<u64>,
    hub_cache: Option<String>,
    models: Vec<Model>,
}

#[derive(Serialize)]
struct Device {
    name: String,
    usable: bool,
    detail: String,
}

/// An instruction set that products are written for.
#[derive(Serialize)]
struct KernelReport {
    name: &'static str,
    used: bool,
    /// What the machine lacks, if it cannot run it.
    missing: Option<&'static str>,
}

#[derive(Serialize)]
struct Model {
    name: String,
    kind: &'static str,
    here: bool,
    /// The command that gets it, where it is missing.
    get: Option<String>,
}

/// Looks at the machine and the models.
///
/// # Errors
///
/// When settings are wrong or standard output cannot be written to.
pub fn run(global: &Global, format: TextOrJson) -> anyhow::Result<Exit> {
    let config = context::load(global, Vec::new())?.config;
    let threads = context::start_threads(&config)?;
    let store = context::models(global, &config, &Arc::default())?;
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        devices: devices(),
        precisions: Precision::ALL.iter().map(|precision| precision.id()).collect(),
        kernels: kernels(),
        threads,
        cpu_features: cpu_features(),
        memory_total_mib: meminfo("MemTotal:"),
        memory_available_mib: meminfo("MemAvailable:"),
        hub_cache: hub_cache(&store),
        models: models(&store, &config.weights),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match format {
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
        TextOrJson::Table => write_text(&mut out, &report)?,
    }
    out.flush()?;
    Ok(Exit::Success)
}

fn write_text(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "hps-loop {}", report.version)?;
    writeln!(out, "\nDevices")?;
    for device in &report.devices {
        let mark = if device.usable { "yes" } else { "no " };
        writeln!(out, "  {mark}  {:<6}  {}", device.name, device.detail)?;
    }
    writeln!(out, "\nProcessor")?;
    writeln!(out, "  threads    {}", report.threads)?;
    writeln!(out, "  features   {}", report.cpu_features.join(" "))?;
    writeln!(out, "  precision  {}", report.precisions.join(" "))?;
    for kernel in &report.kernels {
        let note = match (kernel.used, kernel.missing) {
            (true, _) if std::env::var_os("HPS_NN_KERNEL").is_some() => {
                "used: HPS_NN_KERNEL says so"
            }
            (true, _) => "used: the fastest that this processor can run",
            (false, None) => "can be run: HPS_NN_KERNEL forces it",
            (false, Some(missing)) => &format!("cannot be run: no {missing}"),
        };
        writeln!(out, "  kernel     {:<12}  {note}", kernel.name)?;
    }
    if let (Some(total), Some(free)) = (report.memory_total_mib, report.memory_available_mib) {
        writeln!(out, "  memory     {free} MiB free of {total} MiB")?;
        if free < 2600 {
            writeln!(out, "             an HPS reward needs 2600 MiB")?;
        }
    }
    writeln!(out, "\nModels")?;
    if let Some(cache) = &report.hub_cache {
        writeln!(out, "  cache      {cache}")?;
    }
    for model in &report.models {
        match &model.get {
            None => writeln!(out, "  here     {:<24}  {}", model.name, model.kind)?,
            Some(get) => writeln!(out, "  missing  {:<24}  {}: {get}", model.name, model.kind)?,
        }
    }
    Ok(())
}

fn kernels() -> Vec<KernelReport> {
    let used = hps_loop::kernel();
    Kernel::ALL
        .into_iter()
        .map(|kernel| KernelReport {
            name: kernel.name(),
            used: kernel == used,
            missing: kernel.missing(),
        })
        .collect()
}

fn devices() -> Vec<Device> {
    [DeviceSpec::Cpu, DeviceSpec::Cuda(0), DeviceSpec::Metal]
        .into_iter()
        .map(|spec| match open_device(spec) {
            Ok(device) => Device {
                name: spec.to_string(),
                usable: true,
                detail: format!("kernel {}", kernel_name(&device)),
            },
            Err(error) => {
                Device { name: spec.to_string(), usable: false, detail: error.full_message() }
            }
        })
        .collect()
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    macro_rules! detected {
        ($($name:tt)+) => {
            [$(($name, std::is_x86_feature_detected!($name))),+]
        };
    }
    let all =
        detected!("sse4.2" "avx2" "fma" "f16c" "avx512f" "avx512bw" "avx512bf16" "avx512vnni");
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}

/// A line of Linux's `/proc/meminfo` in MiB; `None` elsewhere.
fn meminfo(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
}

fn models(store: &ModelStore, weights: &std::collections::BTreeMap<String, String>) -> Vec<Model> {
    let mut models: Vec<Model> = bundled::all()
        .iter()
        .map(|model| Model {
            name: format!("bundled:{}", model.name),
            kind: model.kind,
            here: true,
            get: None,
        })
        .collect();
    for entry in registry::all() {
        let local = weights.get(entry.name).is_some_and(|path| std::path::Path::new(path).exists());
        let here = local || store.downloads().is_cached(entry);
        let get = (!here).then(|| format!("hps-loop models pull {}", entry.name));
        models.push(Model { name: entry.name.to_owned(), kind: entry.kind.as_str(), here, get });
    }
    models
}

#[cfg(feature = "hub")]
fn hub_cache(store: &ModelStore) -> Option<String> {
    Some(store.downloads().hub().options().cache_dir.display().to_string())
}

#[cfg(not(feature = "hub"))]
fn hub_cache(_store: &ModelStore) -> Option<String> {
    None
}
