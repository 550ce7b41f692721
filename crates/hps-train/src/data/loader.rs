//! Decoded pictures ahead of the model.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use hps_core::{Error, ErrorKind, Result};

use super::dataset::{BrokenItem, Dataset};
use super::order::Order;
use super::picture_source::{Done, Job, PictureSource, work};

/// How a [`Loader`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Comparisons per batch; at least 1.
    pub batch_size: usize,
    /// Threads that decode; at least 1. Their number changes no batch.
    pub threads: usize,
    /// Batches that are decoded ahead of the one in use. Each costs
    /// `batch_size * images * 12 * size * size` bytes.
    pub prefetch: usize,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        LoaderOptions { batch_size: 16, threads: 1, prefetch: 1 }
    }
}

/// A comparison with its pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its index in [`Dataset::comparisons`].
    pub index: usize,
    /// One picture per image: `3 * size * size` values each.
    pub pictures: Vec<Vec<f32>>,
}

/// The comparisons at consecutive positions of the order.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The position of its first comparison.
    pub position: u64,
    /// The position to go on from: that of the next batch.
    pub end: u64,
    /// The comparisons whose pictures could all be read, in order. Fewer than the
    /// batch size where some could not, and none where none could.
    pub samples: Vec<Sample>,
    /// The comparisons of this batch that are skipped; the index is that of
    /// [`Dataset::comparisons`].
    pub broken: Vec<BrokenItem>,
}

/// Batches without end, epoch after epoch, decoded by threads of its own.
///
/// Which comparisons a batch has depends on its position alone: one that is broken
/// leaves its batch smaller and all others as they are. So a loader that begins at
/// [`Batch::end`] of another gives what that one would have given next.
///
/// Without comparisons there are no batches. Dropping it ends its threads after the
/// pictures they are at.
pub struct Loader {
    data: Arc<Dataset>,
    order: Order,
    options: LoaderOptions,
    /// Where the next batch to be decoded begins.
    next: u64,
    /// Batches that are being decoded, in order.
    waiting: VecDeque<Pending>,
    jobs: Option<Sender<Job>>,
    results: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
}

/// A batch on its way.
struct Pending {
    position: u64,
    slots: Vec<Slot>,
    missing: usize,
}

struct Slot {
    comparison: usize,
    pictures: Vec<Option<Result<Vec<f32>>>>,
}

impl Loader {
    /// Batches of `data` in `order` from `position` on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when `order` is about another number of items,
    /// [`ErrorKind::Io`] when no thread can be started.
    pub fn new(
        data: Arc<Dataset>,
        source: Arc<dyn PictureSource>,
        order: Order,
        position: u64,
        options: LoaderOptions,
    ) -> Result<Self> {
        if order.len() != data.comparisons.len() {
            let message =
                format!("an order of {} for {} items", order.len(), data.comparisons.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let (sender, results) = channel();
        let start = |index: usize| {
            let (data, source) = (Arc::clone(&data), Arc::clone(&source));
            let (queue, sender) = (Arc::clone(&queue), sender.clone());
            let thread = std::thread::Builder::new().name(format!("decode-{index}"));
            let failed = |error| {
                Error::new(ErrorKind::Io, "cannot start a thread to decode").with_source(error)
            };
            thread.spawn(move || work(&data, &*source, &queue, &sender)).map_err(failed)
        };
        let threads = (0..options.threads.max(1)).map(start).collect::<Result<_>>()?;
        let waiting = VecDeque::new();
        Ok(Loader {
            data,
            order,
            options,
            next: position,
            waiting,
            jobs: Some(jobs),
            results,
            threads,
        })
    }

    /// Hands the next batch to the threads.
    fn request(&mut self) {
        let indices = self.order.batch(self.next, self.options.batch_size.max(1));
        let position = self.next;
        self.next += indices.len() as u64;
        let images = |index: usize| self.data.comparisons.get(index).map_or(0, |c| c.images.len());
        let slots: Vec<Slot> = indices
            .iter()
            .map(|&comparison| Slot {
                comparison,
                pictures: (0..images(comparison)).map(|_| None).collect(),
            })
            .collect();
        let mut missing = 0;
        for (slot, &comparison) in indices.iter().enumerate() {
            for image in 0..images(comparison) {
                let job = Job { batch: position, slot, comparison, image };
                let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
                missing += usize::from(sent);
            }
        }
        self.waiting.push_back(Pending { position, slots, missing });
    }

    fn put(&mut self, done: Done) {
        let Done { job, picture } = done;
        let pending = self.waiting.iter_mut().find(|pending| pending.position == job.batch);
        let Some(pending) = pending else { return };
        pending.missing -= 1;
        let slot = pending.slots.get_mut(job.slot);
        if let Some(place) = slot.and_then(|slot| slot.pictures.get_mut(job.image)) {
            *place = Some(picture);
        }
    }

    fn finish(&self, pending: Pending) -> Batch {
        let end = pending.position + pending.slots.len() as u64;
        let mut batch =
            Batch { position: pending.position, end, samples: Vec::new(), broken: Vec::new() };
        for slot in pending.slots {
            let index = slot.comparison;
            let lost = || Err(Error::new(ErrorKind::Io, "the threads that decode have ended"));
            let pictures: Result<Vec<Vec<f32>>> =
                slot.pictures.into_iter().map(|picture| picture.unwrap_or_else(lost)).collect();
            match pictures {
                Ok(pictures) => batch.samples.push(Sample { index, pictures }),
                Err(error) => {
                    let id = self.data.comparisons.get(index).map(|c| c.id.to_string());
                    let reason = error.full_message();
                    tracing::debug!(index, reason, "skipping a comparison");
                    batch.broken.push(BrokenItem { index, id, reason });
                }
            }
        }
        batch
    }
}

impl Iterator for Loader {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if self.order.is_empty() {
            return None;
        }
        while self.waiting.len() <= self.options.prefetch {
            self.request();
        }
        while self.waiting.front().is_some_and(|pending| pending.missing > 0) {
            let Ok(done) = self.results.recv() else { break };
            self.put(done);
        }
        let pending = self.waiting.pop_front()?;
        Some(self.finish(pending))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Threads end when there is nobody to take results, or no more jobs.
        self.jobs = None;
        let (_, closed) = channel();
        self.results = closed;
        for thread in self.threads.drain(..) {
            // Pictures that panic are caught one by one: there is nothing to report.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::super::dataset::ReadOptions;
    use super::*;

    /// The picture `12.png` is full of 12; what ends in 7 is broken, 33 panics and 44
    /// has the wrong size.
    #[derive(Default)]
    struct Numbers {
        loaded: AtomicUsize,
    }

    impl PictureSource for Numbers {
        fn load(&self, image: &str) -> Result<Vec<f32>> {
            self.loaded.fetch_add(1, Ordering::Relaxed);
            let number: u16 = image.trim_end_matches(".png").parse().unwrap();
            // Later pictures are ready earlier.
            std::thread::sleep(Duration::from_micros(u64::from(200 - number)));
            match number {
                n if n % 10 == 7 => {
                    Err(Error::new(ErrorKind::CorruptImage, format!("{n} is broken")))
                }
                33 => panic!("33"),
                44 => Ok(vec![0.0; 11]),
                n => Ok(vec![f32::from(n); 12]),
            }
        }

        fn size(&self) -> usize {
            2
        }
    }

    /// Comparison `i` is of the pictures `2 i` and `2 i + 1`.
    fn data(len: usize) -> Arc<Dataset> {
        let item = |i: usize| {
            format!(
                "{{\"prompt\": \"p\", \"images\": [\"{}.png\", \"{}.png\"], \"rank\": [1, 2]}}",
                2 * i,
                2 * i + 1
            )
        };
        let text: Vec<String> = (0..len).map(item).collect();
        let data = Dataset::from_reader(text.join("\n").as_bytes(), "x", &ReadOptions::default());
        Arc::new(data.unwrap())
    }

    fn loader(len: usize, position: u64, options: LoaderOptions) -> Loader {
        let source = Arc::new(Numbers::default());
        Loader::new(data(len), source, Order::new(3, len), position, options).unwrap()
    }

    const OPTIONS: LoaderOptions = LoaderOptions { batch_size: 7, threads: 3, prefetch: 2 };

    #[test]
    fn batches_follow_the_order_and_skip_what_is_broken() {
        let mut order = Order::new(3, 40);
        let mut broken = Vec::new();
        for (number, batch) in loader(40, 0, OPTIONS).take(11).enumerate() {
            assert_eq!((batch.position, batch.end), (number as u64 * 7, number as u64 * 7 + 7));
            let mut seen: Vec<usize> = batch.samples.iter().map(|sample| sample.index).collect();
            seen.extend(batch.broken.iter().map(|item| item.index));
            let mut expected = order.batch(batch.position, 7);
            let bad = |i: &usize| (2 * i + 1) % 10 == 7 || matches!(2 * i, 32 | 44);
            expected.sort_by_key(bad);
            assert_eq!(seen, expected);
            for sample in &batch.samples {
                let first = 2.0 * sample.index as f32;
                assert_eq!(sample.pictures, [vec![first; 12], vec![first + 1.0; 12]]);
            }
            broken.extend(batch.broken);
        }
        let reason =
            |index: usize| broken.iter().find(|b| b.index == index).unwrap().reason.clone();
        assert_eq!(reason(3), "7 is broken");
        assert_eq!(reason(16), "33.png: reading the picture panicked");
        assert_eq!(reason(22), "44.png: 11 values instead of 12");
    }

    #[test]
    fn a_loader_goes_on_where_another_ended() {
        let whole: Vec<Batch> = loader(25, 0, OPTIONS).take(8).collect();
        for begin in [1, 4] {
            let alone = LoaderOptions { threads: 1, prefetch: 0, ..OPTIONS };
            let rest = loader(25, whole[begin - 1].end, alone).take(8 - begin);
            assert_eq!(rest.collect::<Vec<_>>(), whole[begin..]);
        }
    }

    #[test]
    fn no_more_is_decoded_than_asked_for() {
        let source = Arc::new(Numbers::default());
        let shared: Arc<dyn PictureSource> = source.clone();
        let order = Order::new(3, 40);
        let mut loader = Loader::new(data(40), shared, order, 0, OPTIONS).unwrap();
        loader.next().unwrap();
        drop(loader);
        // Three batches of seven pairs.
        assert!(source.loaded.load(Ordering::Relaxed) <= 42);
    }

    #[test]
    fn without_comparisons_there_are_no_batches() {
        let empty = Dataset { comparisons: Vec::new(), ..Dataset::clone(&data(1)) };
        let source = Arc::new(Numbers::default());
        let loader = Loader::new(Arc::new(empty), source, Order::new(0, 0), 0, OPTIONS);
        assert_eq!(loader.unwrap().next(), None);
        let source = Arc::new(Numbers::default());
        assert!(Loader::new(data(2), source, Order::new(0, 3), 0, OPTIONS).is_err());
    }
}
