//! What a run reports while it works.

use crate::{Candidate, Error, Image, Prompt, SampleSpec};

/// Something that happened. Events are the only report of a run: the store
/// turns them into records, observers into progress.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Work on a prompt begins.
    PromptStarted {
        /// Index of the prompt within the run, from 0.
        index: usize,
        /// The prompt.
        prompt: &'a Prompt,
        /// Candidates still to be drawn.
        candidates: usize,
    },
    /// One denoising step of one candidate is done.
    Step {
        /// How the candidate is drawn.
        spec: &'a SampleSpec,
        /// Steps done, from 1.
        step: u32,
        /// Steps in all.
        steps: u32,
    },
    /// A candidate is drawn and scored.
    CandidateFinished {
        /// The candidate.
        candidate: &'a Candidate,
        /// Its picture.
        image: &'a Image,
    },
    /// A candidate could not be drawn or scored; the run goes on.
    CandidateFailed {
        /// How it was to be drawn.
        spec: &'a SampleSpec,
        /// Why it failed.
        error: &'a Error,
    },
    /// Work on a prompt is over.
    PromptFinished {
        /// Index of the prompt within the run, from 0.
        index: usize,
        /// The best candidate, if any finished.
        best: Option<&'a Candidate>,
    },
}

/// Somebody who wants to know.
pub trait Observer {
    /// Called for every event, in order, from the thread that runs the loop.
    ///
    /// # Errors
    ///
    /// An error ends the run after what is finished has been kept: this is how a
    /// full disk stops the work.
    fn on_event(&mut self, event: &Event<'_>) -> crate::Result<()>;
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on_event(&mut self, _event: &Event<'_>) -> crate::Result<()> {
        Ok(())
    }
}
