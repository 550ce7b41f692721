//! Many prompts, several requests at a time.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use hps_core::{Error, Result};

use super::client::Client;
use super::failure::Failure;
use super::options::EndpointOptions;
use super::pause::{POLL, Pause, backoff, sleep};
use super::usage::Usage;

/// What became of one prompt.
#[derive(Debug)]
pub struct Rewritten {
    /// Its place in the list.
    pub index: usize,
    /// The rewritten prompt: one line, not empty. Or why there is none:
    /// [`ErrorKind::Model`](hps_core::ErrorKind::Model) for refusals and answers that
    /// are no prompt, [`ErrorKind::Network`](hps_core::ErrorKind::Network) otherwise.
    pub prompt: Result<String>,
    /// What the answer cost; nothing where there was none.
    pub usage: Usage,
}

/// Who is told about the work, on the thread that called [`rewrite_all`].
pub trait RewriteObserver {
    /// A prompt is done, in whatever order. `Break` ends the work: no request is begun
    /// after it, those under way are still reported.
    ///
    /// # Errors
    ///
    /// Whatever keeps the result from being kept; it ends the work.
    fn finished(&mut self, rewritten: Rewritten) -> Result<ControlFlow<()>>;

    /// A request failed and is tried again after `delay`.
    fn retry(&mut self, why: &str, delay: Duration);
}

/// Why [`rewrite_all`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteEnd {
    /// Every prompt was reported.
    Done,
    /// The observer ended the work.
    Stopped,
    /// `cancel` was set; requests under way were broken off.
    Cancelled,
}

/// Has `prompts` rewritten and reports every result.
///
/// Failures that pass (too many requests, a server's own errors, broken connections,
/// damaged answers) are tried again, with growing waits or as long as the endpoint
/// asks for.
///
/// # Errors
///
/// [`ErrorKind::Network`](hps_core::ErrorKind::Network) or
/// [`ErrorKind::InvalidConfig`](hps_core::ErrorKind::InvalidConfig) if no request can
/// work: see the invariants of [the module](super). What was reported before stays
/// valid. Errors of the observer.
pub fn rewrite_all(
    options: &EndpointOptions,
    prompts: &[&str],
    cancel: &AtomicBool,
    observer: &mut dyn RewriteObserver,
) -> Result<RewriteEnd> {
    let client = Client::new(options)?;
    let shared = Shared {
        options,
        client: &client,
        prompts,
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        pause: Pause::default(),
        worked: AtomicBool::new(false),
        failures: AtomicU32::new(0),
    };
    thread::scope(|scope| {
        // No result waits while further requests are made, so that a stop comes in time.
        let (sender, messages) = mpsc::sync_channel(0);
        for _ in 0..options.concurrency.clamp(1, prompts.len().max(1)) {
            let (sender, shared) = (sender.clone(), &shared);
            scope.spawn(move || shared.work(&sender));
        }
        drop(sender);
        shared.listen(&messages, cancel, observer)
    })
}

enum Message {
    Retry(String, Duration),
    Finished(Rewritten),
    Hopeless(Error),
}

impl Message {
    /// Tells the observer; if this is the end, says why.
    fn pass_on(self, observer: &mut dyn RewriteObserver) -> Option<Result<RewriteEnd>> {
        match self {
            Message::Retry(why, delay) => observer.retry(&why, delay),
            Message::Hopeless(error) => return Some(Err(error)),
            Message::Finished(rewritten) => match observer.finished(rewritten) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Some(Ok(RewriteEnd::Stopped)),
                Err(error) => return Some(Err(error)),
            },
        }
        None
    }
}

/// What the threads share.
struct Shared<'a> {
    options: &'a EndpointOptions,
    client: &'a Client<'a>,
    prompts: &'a [&'a str],
    next: AtomicUsize,
    stop: AtomicBool,
    pause: Pause,
    /// Whether any request has worked: then the settings are right.
    worked: AtomicBool,
    /// Requests that failed since the last one that worked.
    failures: AtomicU32,
}

impl Shared<'_> {
    /// Passes on what the workers say until all of them have ended.
    fn listen(
        &self,
        messages: &Receiver<Message>,
        cancel: &AtomicBool,
        observer: &mut dyn RewriteObserver,
    ) -> Result<RewriteEnd> {
        let mut end = Ok(RewriteEnd::Done);
        let mut broken_off = false;
        loop {
            if cancel.load(Ordering::Relaxed) && !broken_off {
                broken_off = true;
                end = end.map(|_| RewriteEnd::Cancelled);
                self.stop.store(true, Ordering::Relaxed);
                self.client.shutdown();
            }
            let ended = match messages.recv_timeout(POLL) {
                Ok(message) => message.pass_on(observer),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return end,
            };
            if let Some(reason) = ended {
                self.stop.store(true, Ordering::Relaxed);
                // The first reason counts.
                if matches!(end, Ok(RewriteEnd::Done)) {
                    end = reason;
                }
            }
        }
    }

    /// Takes prompts until there are no more. A closed channel means that nobody
    /// listens any more.
    fn work(&self, messages: &SyncSender<Message>) {
        while !self.stop.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(prompt) = self.prompts.get(index) else { return };
            let message = match self.with_retries(prompt, messages) {
                Ok((text, usage)) => {
                    Message::Finished(Rewritten { index, prompt: Ok(text), usage })
                }
                Err(Failure::Prompt(error, usage)) => {
                    Message::Finished(Rewritten { index, prompt: Err(error), usage })
                }
                Err(Failure::Passing { error, .. } | Failure::All(error)) => {
                    Message::Hopeless(error)
                }
                Err(Failure::Setup(error)) => Message::Hopeless(error),
                Err(Failure::Stopped) => return,
            };
            let ends = matches!(message, Message::Hopeless(_));
            if messages.send(message).is_err() || ends {
                return;
            }
        }
    }

    fn with_retries(
        &self,
        prompt: &str,
        messages: &SyncSender<Message>,
    ) -> Result<(String, Usage), Failure> {
        let mut tries = 0;
        loop {
            self.pause.wait(&self.stop)?;
            let failure = match self.client.rewrite(prompt) {
                Ok(answer) => return Ok(self.note_answer(answer)),
                // A refusal is an answer: the endpoint works.
                Err(Failure::Prompt(error, usage)) if usage.total() > 0 => {
                    return Err(self.note_answer(Failure::Prompt(error, usage)));
                }
                Err(failure) => failure,
            };
            // A stop breaks connections, so it looks like a failure of the network.
            if self.stop.load(Ordering::Relaxed) {
                return Err(Failure::Stopped);
            }
            let Failure::Passing { error, retry_after, unreachable } = failure else {
                return Err(self.judge(failure));
            };
            tries += 1;
            if tries > self.options.max_retries {
                return Err(self.judge(Failure::Passing { error, retry_after, unreachable }));
            }
            let delay = match retry_after {
                Some(wish) if wish > self.options.max_retry_after => {
                    let what = format!("the endpoint asks to wait {} s", wish.as_secs());
                    return Err(Failure::All(error.context(what)));
                }
                Some(wish) => wish,
                None => backoff(self.options.retry_delay, tries),
            };
            tracing::debug!(error = error.full_message(), ?delay, tries, "trying again");
            let _ = messages.send(Message::Retry(error.full_message(), delay));
            if retry_after.is_some() {
                self.pause.extend(delay);
            } else {
                sleep(delay, &self.stop)?;
            }
        }
    }

    fn note_answer<T>(&self, answer: T) -> T {
        self.worked.store(true, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        answer
    }

    /// Whether a failure concerns its prompt alone.
    fn judge(&self, failure: Failure) -> Failure {
        let worked = self.worked.load(Ordering::Relaxed);
        let error = match failure {
            Failure::Setup(error) if worked => error,
            Failure::Passing { error, unreachable, .. } if worked || !unreachable => error,
            Failure::Prompt(error, _) => error,
            other => return other,
        };
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= self.options.max_failures {
            return Failure::All(error.context(format!("{failures} prompts failed in a row")));
        }
        Failure::Prompt(error, Usage::default())
    }
}
