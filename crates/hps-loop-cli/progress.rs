//! Progress on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Global;

/// Time between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Everything that draws on the terminal, so that bars do not overwrite each other.
fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// A bar on the terminal, or one that nobody sees.
fn bar(total: Option<u64>, visible: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    if visible { bars().add(bar) } else { bar }
}

/// Shows how far a piece of work is.
pub struct Progress {
    bar: ProgressBar,
    label: &'static str,
    lines: bool,
    last_line: Instant,
}

impl Progress {
    /// Progress over `total` things that `label` names in the plural.
    pub fn new(global: &Global, label: &'static str, total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal() && !global.quiet;
        let bar = bar(Some(total), terminal);
        let template = "{bar:16} {pos}/{len} {prefix}, {eta} left  {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(label);
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let lines = !terminal && !global.quiet;
        Progress { bar, label, lines, last_line: Instant::now() }
    }

    /// One more thing is done.
    pub fn advance(&mut self) {
        self.bar.inc(1);
        if self.lines && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
            let left = self.bar.eta().as_secs();
            let remark = self.bar.message();
            let remark = if remark.is_empty() { remark } else { format!(": {remark}") };
            let _ = writeln!(
                std::io::stderr(),
                "{done} of {total} {}, about {left} s left{remark}",
                self.label
            );
        }
    }

    /// `count` things need not be done: they are there from before.
    pub fn skip(&mut self, count: u64) {
        self.bar.set_length(self.bar.length().unwrap_or_default().saturating_sub(count));
    }

    /// Prints a line above all bars.
    pub fn print(text: &str) {
        bars().suspend(|| {
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }

    /// Shows a remark beside the bar.
    pub fn message(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Shows that something without a known end goes on, such as loading weights.
pub struct Spinner(ProgressBar);

impl Spinner {
    /// Starts to spin beside `text`, on a terminal only.
    pub fn new(global: &Global, text: impl Into<String>) -> Self {
        let visible = std::io::stderr().is_terminal() && !global.quiet;
        let bar = bar(None, visible).with_message(text.into());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        if visible {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Spinner(bar)
    }

    /// Shows another text.
    pub fn say(&self, text: impl Into<String>) {
        self.0.set_message(text.into());
    }

    /// Removes it, as dropping it does.
    pub fn finish(self) {}
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Shows downloads: a bar each on a terminal, a line at start and end elsewhere.
#[cfg(feature = "hub")]
pub struct DownloadBar {
    global: Global,
    bar: Option<ProgressBar>,
}

#[cfg(feature = "hub")]
impl DownloadBar {
    /// Nothing is shown until a download starts.
    pub fn new(global: &Global) -> Self {
        DownloadBar { global: global.clone(), bar: None }
    }

    fn say(&self, text: &str) {
        if self.global.quiet {
            return;
        }
        let print = || {
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        bars().suspend(print);
    }
}

#[cfg(feature = "hub")]
impl hps_loop::weights::hub::DownloadObserver for DownloadBar {
    fn start(&mut self, file: &str, size: Option<u64>, resumed_from: u64) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if !std::io::stderr().is_terminal() || self.global.quiet {
            let size = size.map_or(String::new(), |size| format!(", {:.1} MB", size as f64 / 1e6));
            self.say(&format!("downloading {file}{size}"));
            return;
        }
        let bar = bar(size, true);
        let template = "{bar:16} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left  {prefix}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(file.to_owned());
        bar.set_position(resumed_from);
        self.bar = Some(bar);
    }

    fn advance(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn waiting_for_lock(&mut self, file: &str) {
        self.say(&format!("waiting for another process that downloads {file}"));
    }

    fn retry(&mut self, why: &str, delay: Duration) {
        self.say(&format!("{why}; trying again in {:.0} s", delay.as_secs_f64().ceil()));
    }

    fn verifying(&mut self, file: &str) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(format!("checking {file}"));
        }
    }

    fn finished(&mut self, file: &str, _path: &std::path::Path) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.say(&format!("downloaded {file}"));
    }
}
