//! Scoring many pictures: files are read, decoded and resized on several
//! threads while the model works on the pictures before them.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use hps_core::{Error, ErrorKind, Prepared, Prompt, Result, Warning};
use hps_reward::decode::{DecodeOptions, decode_file};

use crate::scorer::Scorer;

/// A picture file and the prompt it is scored by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreItem {
    /// The file.
    pub path: PathBuf,
    /// The prompt.
    pub prompt: Prompt,
}

/// What came of one [`ScoreItem`].
#[derive(Debug)]
pub struct ScoreOutcome {
    /// The item's place in the input, from 0.
    pub index: usize,
    /// One raw score per reward of the scorer, or why there is none.
    pub scores: Result<Vec<f32>>,
    /// Remarks about the file and about the prompt.
    pub warnings: Vec<Warning>,
}

/// How [`Scorer::score_files`] works.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions<'a> {
    /// How pictures are read.
    pub decode: DecodeOptions,
    /// Pictures in one forward pass; at least 1.
    pub batch_size: usize,
    /// Threads that read and resize; at least 1.
    pub decode_threads: usize,
    /// Set to stop after the batch that is being scored.
    pub cancel: &'a AtomicBool,
}

/// A file after its thread is done with it.
struct Ready {
    index: usize,
    prepared: Result<Vec<Prepared>>,
    warnings: Vec<Warning>,
}

impl Scorer {
    /// Scores every item and hands each outcome to `sink`, in input order.
    ///
    /// Memory stays bounded however many items there are: at most a few batches
    /// of pictures are held. A file that cannot be scored gives an outcome with an
    /// error and leaves the others alone. `sink` may end the work early.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Interrupted`] after `cancel` was set: `sink` has seen the items up
    /// to some point, without a gap, and what it has seen is final.
    #[tracing::instrument(skip_all, fields(items = items.len()))]
    pub fn score_files(
        &self,
        items: &[ScoreItem],
        options: &StreamOptions<'_>,
        mut sink: impl FnMut(ScoreOutcome) -> ControlFlow<()>,
    ) -> Result<()> {
        let batch_size = options.batch_size.max(1);
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let threads = options.decode_threads.clamp(1, items.len().max(1));
        let (sender, receiver) = sync_channel(2 * batch_size);
        let outcome = std::thread::scope(|scope| {
            for _ in 0..threads {
                let sender = sender.clone();
                let work = || self.read_files(items, options, (&next, &stop), sender);
                scope.spawn(work);
            }
            drop(sender);
            let outcome = self.score_ready(items, options, &receiver, &mut sink);
            stop.store(true, Ordering::Relaxed);
            // Unblocks the threads that wait to send.
            drop(receiver);
            outcome
        });
        match outcome {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn read_files(
        &self,
        items: &[ScoreItem],
        options: &StreamOptions<'_>,
        (next, stop): (&AtomicUsize, &AtomicBool),
        sender: SyncSender<Ready>,
    ) {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let stopped = stop.load(Ordering::Relaxed) || options.cancel.load(Ordering::Relaxed);
            let Some(item) = items.get(index).filter(|_| !stopped) else { return };
            // A reward of somebody else that panics on some picture must not take the
            // others with it; nothing it touched is used afterwards.
            let read = AssertUnwindSafe(|| self.read_file(index, item, options));
            let ready = catch_unwind(read).unwrap_or_else(|_| {
                let message = format!("{}: preparing the picture panicked", item.path.display());
                let prepared = Err(Error::new(ErrorKind::Model, message));
                Ready { index, prepared, warnings: Vec::new() }
            });
            if sender.send(ready).is_err() {
                return;
            }
        }
    }

    fn read_file(&self, index: usize, item: &ScoreItem, options: &StreamOptions<'_>) -> Ready {
        match decode_file(&item.path, &options.decode) {
            Ok(decoded) => {
                Ready { index, prepared: self.prepare(&decoded.image), warnings: decoded.warnings }
            }
            Err(error) => Ready { index, prepared: Err(error), warnings: Vec::new() },
        }
    }

    fn score_ready(
        &self,
        items: &[ScoreItem],
        options: &StreamOptions<'_>,
        receiver: &Receiver<Ready>,
        sink: &mut impl FnMut(ScoreOutcome) -> ControlFlow<()>,
    ) -> ControlFlow<Error> {
        let mut in_order = InOrder::new();
        loop {
            // Whatever is ready shares a batch, so that the first score does not wait for
            // more pictures; scores do not depend on the batch.
            let more = receiver.iter().take(1).chain(receiver.try_iter());
            let batch: Vec<Ready> = more.take(options.batch_size.max(1)).collect();
            if batch.is_empty() && in_order.next == items.len() {
                return ControlFlow::Continue(());
            }
            if options.cancel.load(Ordering::Relaxed) {
                let message = "stopped before all pictures were scored";
                return ControlFlow::Break(Error::new(ErrorKind::Interrupted, message));
            }
            if batch.is_empty() {
                return ControlFlow::Continue(());
            }
            let begun = Instant::now();
            let pictures = batch.len();
            let outcomes = self.score_one_batch(items, batch);
            tracing::debug!(pictures, seconds = begun.elapsed().as_secs_f64(), "scored a batch");
            for outcome in outcomes {
                in_order.push(outcome);
            }
            while let Some(outcome) = in_order.pop() {
                if sink(outcome).is_break() {
                    return ControlFlow::Continue(());
                }
            }
        }
    }

    fn score_one_batch(&self, items: &[ScoreItem], batch: Vec<Ready>) -> Vec<ScoreOutcome> {
        let pairs: Vec<_> =
            batch.iter().map(|ready| (&ready.prepared, &items[ready.index].prompt)).collect();
        let rows = self.score_rows(&pairs);
        let finish = |(ready, scores): (Ready, Result<Vec<f32>>)| {
            let mut warnings = ready.warnings;
            warnings.extend(self.check_prompt(&items[ready.index].prompt));
            ScoreOutcome { index: ready.index, scores, warnings }
        };
        batch.into_iter().zip(rows).map(finish).collect()
    }
}

/// Outcomes that wait for the ones before them.
struct InOrder {
    next: usize,
    waiting: std::collections::BTreeMap<usize, ScoreOutcome>,
}

impl InOrder {
    fn new() -> Self {
        InOrder { next: 0, waiting: std::collections::BTreeMap::new() }
    }

    fn push(&mut self, outcome: ScoreOutcome) {
        self.waiting.insert(outcome.index, outcome);
    }

    fn pop(&mut self) -> Option<ScoreOutcome> {
        let outcome = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(outcome)
    }
}
