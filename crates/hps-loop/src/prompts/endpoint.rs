//! Cleaning by a chat model: equal prompts once, every answer on the disk at once.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use hps_core::Result;
use hps_store::jsonl;
use hps_train::prompts::endpoint::{
    EndpointOptions, RewriteEnd, RewriteObserver, Rewritten, Usage, rewrite_all,
};

use super::clean::{CleanEnd, CleanObserver, CleanOptions, Work};
use super::record::CleanRecord;

/// Rewrites what has no record yet.
pub(super) fn by_endpoint(
    work: &mut Work<'_>,
    endpoint: &EndpointOptions,
    max_tokens: Option<u64>,
    options: &CleanOptions<'_>,
    observer: &mut dyn CleanObserver,
) -> Result<CleanEnd> {
    let pending = work.pending(observer);
    let (texts, places) = different(work, &pending);
    let mut spent = Usage::default();
    for usage in work.records.iter().flatten().chain(&work.before).filter_map(|r| r.usage) {
        spent += usage;
    }
    let enough = |spent: &Usage| max_tokens.is_some_and(|most| spent.total() >= most);
    if texts.is_empty() {
        return Ok(CleanEnd::Done);
    }
    if enough(&spent) {
        return Ok(CleanEnd::Budget);
    }
    let writer = options.out.map(jsonl::Writer::open).transpose()?;
    let mut keeper = Keeper { work, places, writer, spent, enough, observer };
    let end = rewrite_all(endpoint, &texts, options.cancel, &mut keeper)?;
    Ok(match end {
        RewriteEnd::Cancelled => CleanEnd::Interrupted,
        // The last answers may have come with the last tokens.
        _ if keeper.work.records.iter().all(Option::is_some) => CleanEnd::Done,
        RewriteEnd::Done | RewriteEnd::Stopped => CleanEnd::Budget,
    })
}

/// The different texts among the pending entries, and the entries of each.
fn different<'e>(work: &Work<'e>, pending: &[usize]) -> (Vec<&'e str>, Vec<Vec<usize>>) {
    let mut texts: Vec<&str> = Vec::new();
    let mut places: Vec<Vec<usize>> = Vec::new();
    let mut known = HashMap::new();
    for &index in pending {
        let text = work.entries.get(index).and_then(|entry| entry.prompt.as_deref().ok());
        let Some(text) = text else { continue };
        let number = *known.entry(text).or_insert_with(|| {
            texts.push(text);
            places.push(Vec::new());
            texts.len() - 1
        });
        if let Some(list) = places.get_mut(number) {
            list.push(index);
        }
    }
    (texts, places)
}

/// Writes results as they come.
struct Keeper<'k, 'a, F> {
    work: &'k mut Work<'a>,
    places: Vec<Vec<usize>>,
    writer: Option<jsonl::Writer>,
    spent: Usage,
    enough: F,
    observer: &'k mut dyn CleanObserver,
}

impl<F: Fn(&Usage) -> bool> RewriteObserver for Keeper<'_, '_, F> {
    fn finished(&mut self, rewritten: Rewritten) -> Result<ControlFlow<()>> {
        self.spent += rewritten.usage;
        let places = self.places.get_mut(rewritten.index).map(std::mem::take);
        // Equal prompts share the answer; the first bears its cost.
        let mut usage = Some(rewritten.usage).filter(|usage| usage.total() > 0);
        for index in places.unwrap_or_default() {
            let Some(entry) = self.work.entries.get(index) else { continue };
            let prompt = match &rewritten.prompt {
                Ok(text) => Ok(text.clone()),
                Err(error) => Err(hps_core::Error::new(error.kind(), error.full_message())),
            };
            let mut record = CleanRecord::of(index, entry, self.work.method).with_prompt(prompt);
            record.usage = self.with_earlier(index, usage.take());
            if let Some(writer) = &mut self.writer {
                writer.append(&record)?;
            }
            self.observer.finished(&record);
            if let Some(place) = self.work.records.get_mut(index) {
                *place = Some(record);
            }
        }
        let enough = (self.enough)(&self.spent);
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn retry(&mut self, why: &str, delay: Duration) {
        self.observer.retry(why, delay);
    }
}

impl<F> Keeper<'_, '_, F> {
    /// Adds what an earlier attempt at this prompt took.
    fn with_earlier(&self, index: usize, usage: Option<Usage>) -> Option<Usage> {
        let earlier = self.work.before.iter().find(|record| record.index == index);
        match (earlier.and_then(|record| record.usage), usage) {
            (Some(mut earlier), Some(usage)) => {
                earlier += usage;
                Some(earlier)
            }
            (earlier, usage) => earlier.or(usage),
        }
    }
}
