//! The inner loop: draw candidates, score them, report each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use hps_core::{
    Candidate, Error, ErrorKind, Event, Generator, Image, Observer, Prompt, Result, SampleSpec,
    Score, Session,
};

use crate::scorer::Scorer;

/// How [`draw_candidates`] works.
#[derive(Clone, Copy, Debug)]
pub struct DrawOptions<'a> {
    /// Candidates in one forward pass; at least 1. Changes no picture.
    pub batch_size: usize,
    /// Set to stop after the current step.
    pub cancel: &'a AtomicBool,
}

/// Draws and scores one candidate per specification.
///
/// All specifications are of one prompt. Every candidate is reported to
/// `observer` as soon as it is finished or has failed; a failure leaves the
/// others alone. The score that is reported is the combined one of a group of
/// one; see [`Scorer::combine`] for the whole group.
///
/// # Errors
///
/// [`ErrorKind::Interrupted`] after `cancel` was set, and whatever `observer`
/// returns. Candidates that were reported are final.
pub fn draw_candidates(
    generator: &mut dyn Generator,
    scorer: &Scorer,
    specs: &[SampleSpec],
    options: DrawOptions<'_>,
    observer: &mut dyn Observer,
) -> Result<()> {
    let mut work = Work { generator, scorer, cancel: options.cancel, observer };
    for specs in specs.chunks(options.batch_size.max(1)) {
        let mut sessions = Vec::with_capacity(specs.len());
        for spec in specs {
            work.check_cancel()?;
            match work.generator.start(spec) {
                Ok(session) => sessions.push(session),
                Err(error) => work.fail(spec, &error)?,
            }
        }
        work.finish(sessions)?;
    }
    Ok(())
}

struct Work<'a> {
    generator: &'a mut dyn Generator,
    scorer: &'a Scorer,
    cancel: &'a AtomicBool,
    observer: &'a mut dyn Observer,
}

impl Work<'_> {
    fn check_cancel(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Interrupted, "stopped before all was drawn"));
        }
        Ok(())
    }

    fn fail(&mut self, spec: &SampleSpec, error: &Error) -> Result<()> {
        self.observer.on_event(&Event::CandidateFailed { spec, error })
    }

    /// Steps, decodes and scores. Where a batch fails as a whole, its sessions go
    /// on one by one, so that only the guilty ones fail.
    fn finish(&mut self, mut sessions: Vec<Box<dyn Session>>) -> Result<()> {
        while sessions.iter().any(|session| session.step() < session.steps()) {
            self.check_cancel()?;
            let before: u32 = sessions.iter().map(|session| session.step()).sum();
            match self.generator.step_batch(&mut sessions) {
                Ok(()) if sessions.iter().map(|session| session.step()).sum::<u32>() == before => {
                    let error = Error::new(ErrorKind::Model, "the generator does not advance");
                    return sessions
                        .iter()
                        .try_for_each(|session| self.fail(session.spec(), &error));
                }
                Ok(()) => self.report_step(&sessions)?,
                Err(error) if sessions.len() == 1 => return self.fail(sessions[0].spec(), &error),
                Err(_) => {
                    return sessions.into_iter().try_for_each(|session| self.finish(vec![session]));
                }
            }
        }
        let mut images = self.generator.decode(&sessions).into_iter();
        for session in &sessions {
            let missing = || Err(Error::new(ErrorKind::Model, "the generator lost the picture"));
            match images.next().unwrap_or_else(missing) {
                Ok(image) => self.judge(&**session, image)?,
                Err(error) => self.fail(session.spec(), &error)?,
            }
        }
        Ok(())
    }

    fn report_step(&mut self, sessions: &[Box<dyn Session>]) -> Result<()> {
        sessions.iter().try_for_each(|session| {
            let (step, steps) = (session.step(), session.steps());
            self.observer.on_event(&Event::Step { spec: session.spec(), step, steps })
        })
    }

    fn judge(&mut self, session: &dyn Session, image: Image) -> Result<()> {
        let spec = session.spec();
        match self.scorer.judge(&image, &spec.prompt) {
            Ok((scores, score)) => {
                let candidate = Candidate { spec: spec.clone(), score, scores, nfe: session.nfe() };
                let candidate = &candidate;
                self.observer.on_event(&Event::CandidateFinished { candidate, image: &image })
            }
            Err(error) => self.fail(spec, &error),
        }
    }
}

/// The combined score of each candidate within its group, all of one prompt.
///
/// # Errors
///
/// When a candidate lacks the score of one of the scorer's rewards.
pub fn group_scores(scorer: &Scorer, candidates: &[&Candidate]) -> Result<Vec<Score>> {
    let ids: Vec<String> = scorer.rewards().map(|(reward, _)| reward.info().id).collect();
    let row = |candidate: &&Candidate| -> Result<Vec<f32>> {
        let missing = |id: &String| {
            let message = format!("candidate {} has no score of {id}", candidate.spec.candidate);
            Error::new(ErrorKind::InvalidInput, message)
        };
        let value = |id| candidate.scores.get(id).map(|s| s.value()).ok_or_else(|| missing(id));
        ids.iter().map(value).collect()
    };
    let prompts: Vec<&Prompt> = candidates.iter().map(|c| &c.spec.prompt).collect();
    let rows = candidates.iter().map(row).collect();
    let combined = scorer.combine(&prompts, rows);
    combined.into_iter().map(|score| score.and_then(Score::new)).collect()
}

impl Scorer {
    /// The raw score of each reward by its id, and the combined one of a group of
    /// one.
    fn judge(&self, image: &Image, prompt: &Prompt) -> Result<(BTreeMap<String, Score>, Score)> {
        let prepared = self.prepare(image);
        let lost = || Error::new(ErrorKind::Model, "the reward returned no score");
        let row = self.score_rows(&[(&prepared, prompt)]).pop().ok_or_else(lost)??;
        let ids = self.rewards().map(|(reward, _)| reward.info().id);
        let scores = ids.zip(&row).map(|(id, &score)| Ok((id, Score::new(score)?)));
        let scores = scores.collect::<Result<_>>()?;
        let combined = self.combine(&[prompt], vec![Ok(row)]).pop().ok_or_else(lost)??;
        Ok((scores, Score::new(combined)?))
    }
}
