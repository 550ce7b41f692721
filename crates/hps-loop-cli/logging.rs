//! Log messages, on standard error.

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::args::{Color, Global};

/// Shows warnings by default, more with `-v`, less with `-q`; `HPS_LOOP_LOG`
/// takes a filter such as `hps_weights=debug` instead.
///
/// # Errors
///
/// When `HPS_LOOP_LOG` is no filter.
pub fn init(global: &Global) -> anyhow::Result<()> {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let filter = match std::env::var("HPS_LOOP_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter)
            .with_context(|| format!("HPS_LOOP_LOG: '{filter}' is no filter"))?,
        _ => EnvFilter::new(format!(
            "error,hps_loop={level},hps_core={level},hps_nn={level},hps_weights={level},\
             hps_clip={level},hps_reward={level},hps_generator={level},hps_store={level}"
        )),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(global.color.for_stderr())
        .with_target(false)
        .without_time()
        .init();
    Ok(())
}

impl Color {
    /// Whether standard error takes colours.
    pub fn for_stderr(self) -> bool {
        use std::io::IsTerminal;
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
            }
        }
    }
}
