//! The chat model of `prompts clean`: from flags to options, and what it cost.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use hps_loop::prompts::{ApiKey, CleanMethod, CleanRecord, EndpointOptions, Usage};
use hps_loop::{Error, ErrorKind};
use serde_json::{Map, Value};

use crate::args::{EndpointArgs, Global};

/// Where the key is looked for by default.
const KEY_VARIABLE: &str = "HPS_LOOP_API_KEY";

/// The chat model that the flags ask for, if they do.
///
/// # Errors
///
/// When a flag or the key cannot be used.
pub fn method(global: &Global, args: &EndpointArgs) -> anyhow::Result<Option<CleanMethod>> {
    let (Some(endpoint), Some(model)) = (&args.endpoint, &args.model) else { return Ok(None) };
    let mut options = EndpointOptions::new(endpoint, model);
    options.concurrency = args.concurrency;
    options.timeout = Duration::try_from_secs_f64(args.timeout)?;
    options.max_retries = args.retries;
    options.api_key = api_key(args.api_key_env.as_deref())?;
    if let Some(path) = &args.instruction {
        options.instruction = instruction(path)?;
    }
    if let Some(text) = &args.request {
        options.extra = request(text)?;
    }
    if global.offline && !options.is_local()? {
        return Err(Error::new(ErrorKind::Network, "--offline allows no endpoint elsewhere")
            .with_hint("Leave --offline out, or name an endpoint on this machine.")
            .into());
    }
    if options.exposes_key()? {
        tracing::warn!("the key goes to {endpoint} without encryption");
    }
    let max_tokens = args.max_tokens_total;
    Ok(Some(CleanMethod::Endpoint { options: Box::new(options), max_tokens }))
}

/// A variable that is named must be there; the default one need not, since servers on
/// this machine mostly ask for no key.
fn api_key(variable: Option<&str>) -> anyhow::Result<Option<ApiKey>> {
    let name = variable.unwrap_or(KEY_VARIABLE);
    match std::env::var(name) {
        Ok(key) if variable.is_some() || !key.is_empty() => {
            let key = ApiKey::new(&key).map_err(|error| error.context(name))?;
            Ok(Some(key))
        }
        Err(_) if variable.is_some() => {
            let message = format!("the variable {name} is not set");
            Err(Error::new(ErrorKind::InvalidConfig, message)
                .with_hint("Set it to the endpoint's key, or leave --api-key-env out.")
                .into())
        }
        _ => Ok(None),
    }
}

fn instruction(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the instruction from {}", path.display()))?;
    anyhow::ensure!(!text.trim().is_empty(), "the instruction in {} is empty", path.display());
    Ok(text.trim().to_owned())
}

fn request(text: &str) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, format!("--request is no JSON object: {error}"))
            .with_hint("Write for example --request '{\"temperature\": null}'.")
            .into()
    })
}

/// Says what the requests behind `records` cost.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_cost(
    out: &mut dyn Write,
    args: &EndpointArgs,
    records: &[CleanRecord],
) -> io::Result<()> {
    if args.endpoint.is_none() {
        return Ok(());
    }
    let mut sum = Usage::default();
    for usage in records.iter().filter_map(|record| record.usage) {
        sum += usage;
    }
    let about = if sum.estimated { "about " } else { "" };
    write!(out, "{about}{} tokens sent, {} received", sum.prompt_tokens, sum.completion_tokens)?;
    if let (Some(input), Some(output)) = (args.input_price, args.output_price) {
        let cost = sum.prompt_tokens as f64 * input + sum.completion_tokens as f64 * output;
        write!(out, ", cost {about}{:.4}", cost / 1e6)?;
    }
    writeln!(out)
}
