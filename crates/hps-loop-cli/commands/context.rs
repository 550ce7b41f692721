//! What most commands need before they start: settings, threads, models.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use hps_loop::config::{Config, ConfigLoader, Loaded, Override};
use hps_loop::{
    DeviceSpec, Downloads, Error, ErrorKind, ModelStore, RewardKind, RewardSpec, Scorer,
    ScorerBuilder,
};

use crate::args::{Global, RewardArgs};

/// Loads the settings, with `overrides` from flags on top.
///
/// # Errors
///
/// When a source is wrong.
pub fn load(global: &Global, mut overrides: Vec<Override>) -> hps_loop::Result<Loaded> {
    push(&mut overrides, "threads", global.threads.as_ref(), "--threads");
    if global.offline {
        overrides.push(Override::new("hub.offline", true, "--offline"));
    }
    let mut loader = ConfigLoader::from_env(global.config.clone());
    loader.overrides = overrides;
    loader.load()
}

/// Adds the value of a flag, if it was given.
pub fn push<T: ToString>(overrides: &mut Vec<Override>, key: &str, value: Option<&T>, flag: &str) {
    if let Some(value) = value {
        overrides.push(Override::new(key, value.to_string(), flag));
    }
}

/// The overrides of the reward options for the command whose settings are in
/// the table `table`.
pub fn reward_overrides(args: &RewardArgs, table: &str) -> Vec<Override> {
    let mut list = Vec::new();
    push(&mut list, &format!("{table}.reward"), args.reward.as_ref(), "--reward");
    push(&mut list, "score.combine", args.combine.as_ref(), "--combine");
    push(&mut list, "score.preprocess", args.preprocess.as_ref(), "--preprocess");
    push(&mut list, "precision", args.precision.as_ref(), "--precision");
    push(&mut list, "device", args.device.as_ref(), "--device");
    for weights in &args.weights {
        list.push(Override::new("weights", weights, "--weights"));
    }
    // `--arch FILE` without a reward is for whichever reward there is.
    for arch in args.arch.iter().filter(|arch| split_arch(arch).is_some()) {
        list.push(Override::new("arch", arch, "--arch"));
    }
    list
}

/// `REWARD=FILE` in its two parts, where REWARD is one.
fn split_arch(text: &str) -> Option<(RewardKind, &str)> {
    let (id, file) = text.split_once('=')?;
    Some((id.parse().ok()?, file))
}

/// Describes the scorer that settings and flags ask for.
///
/// # Errors
///
/// When a setting names an unknown reward or method.
pub fn scorer(
    config: &Config,
    reward: &str,
    args: &RewardArgs,
    models: &ModelStore,
) -> hps_loop::Result<ScorerBuilder> {
    check_flags(reward, args)?;
    let mut builder = Scorer::builder()
        .combine(config.score.combine.parse()?)
        .preprocess(config.score.preprocess.parse()?)
        .precision(config.precision)
        .device(config.device)
        .models(models.clone());
    if !reward.is_empty() {
        builder = builder.reward(reward);
    }
    for (id, reference) in &config.weights {
        let kind = id.parse().map_err(|error: Error| error.context("weights"))?;
        builder = builder.weights_of(kind, reference.clone());
    }
    for (id, file) in &config.arch {
        let kind = id.parse().map_err(|error: Error| error.context("arch"))?;
        builder = builder.arch_of(kind, file.clone());
    }
    for arch in args.arch.iter().filter(|arch| split_arch(arch).is_none()) {
        builder = builder.arch(PathBuf::from(arch));
    }
    Ok(builder)
}

/// Weights or an architecture for a reward that is not asked for are a slip: the
/// reward that was meant would be downloaded. In a configuration they may stay.
///
/// # Errors
///
/// When `args` has a file of a reward that `reward` does not name.
pub fn check_flags(reward: &str, args: &RewardArgs) -> hps_loop::Result<()> {
    let Ok(spec) = reward.parse::<RewardSpec>() else { return Ok(()) };
    let used = |kind: RewardKind| {
        let of_aesthetic = kind == RewardKind::ClipScore;
        spec.parts()
            .iter()
            .any(|&(part, _)| part == kind || (of_aesthetic && part == RewardKind::Aesthetic))
    };
    let named = args.weights.iter().chain(&args.arch).filter_map(|text| text.split_once('='));
    let kinds = named.filter_map(|(id, _)| id.parse::<RewardKind>().ok());
    match kinds.into_iter().find(|&kind| !used(kind)) {
        Some(kind) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("there is a file for reward {kind}, but the reward is {spec}"),
        )
        .with_hint("Name the reward that it belongs to with `--reward`.")),
        None => Ok(()),
    }
}

/// Items per forward pass: as set, else what suits the device. On the CPU items are
/// computed one by one anyway, so more in a batch only wait for each other.
pub fn batch_size(set: Option<usize>, device: DeviceSpec, elsewhere: usize) -> usize {
    set.unwrap_or(if device == DeviceSpec::Cpu { 1 } else { elsewhere })
}

/// Sizes the one pool that computes.
///
/// # Errors
///
/// When the threads cannot be started.
pub fn start_threads(config: &Config) -> anyhow::Result<usize> {
    hps_loop::init_threads(config.threads).context("cannot start threads")
}

/// Where models are found: as the environment says, with a bar for downloads.
///
/// # Errors
///
/// When an environment variable holds nonsense.
#[cfg(feature = "hub")]
pub fn models(
    global: &Global,
    config: &Config,
    cancel: &Arc<AtomicBool>,
) -> hps_loop::Result<ModelStore> {
    use hps_loop::weights::hub::{Hub, HubOptions};
    let mut options = HubOptions::from_env()?;
    options.offline |= config.hub.offline;
    let hub = Hub::new(options).with_cancel(Arc::clone(cancel));
    let global = global.clone();
    let observer = move || Box::new(crate::progress::DownloadBar::new(&global)) as Box<_>;
    Ok(ModelStore::from_env()?.with_downloads(Downloads::new(hub, observer)))
}

/// Where models are found: this build has no downloads.
///
/// # Errors
///
/// Never.
#[cfg(not(feature = "hub"))]
pub fn models(
    _global: &Global,
    _config: &Config,
    _cancel: &Arc<AtomicBool>,
) -> hps_loop::Result<ModelStore> {
    Ok(ModelStore::from_env()?.with_downloads(Downloads::from_env()?))
}
