//! The loop with a generator and a reward that fail where they are told to.

#![allow(clippy::unwrap_used)]

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};

use hps_loop::{
    DrawOptions, Error, ErrorKind, Event, Generator, GeneratorInfo, Image, Observer, Precision,
    Prepared, PreparedPair, Prompt, Result, Reward, RewardInfo, SampleDefaults, SampleOptions,
    SampleSpec, Score, Scorer, Seed, Session, draw_candidates,
};

/// Draws a picture of the candidate's number; fails at the named candidates.
#[derive(Default)]
struct Numbers {
    refuse: Option<u32>,
    break_step: Option<u32>,
    break_decode: Option<u32>,
    forward_passes: usize,
}

#[derive(Clone)]
struct Count(SampleSpec, u32);

impl Session for Count {
    fn spec(&self) -> &SampleSpec {
        &self.0
    }
    fn step(&self) -> u32 {
        self.1
    }
    fn steps(&self) -> u32 {
        self.0.num_inference_steps
    }
    fn nfe(&self) -> u64 {
        u64::from(self.1)
    }
    fn fork(&self) -> Box<dyn Session> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Model, what)
}

fn defaults() -> SampleDefaults {
    SampleDefaults {
        width: 1,
        height: 1,
        num_inference_steps: 3,
        guidance_scale: 1.0,
        scheduler: "none".into(),
    }
}

impl Generator for Numbers {
    fn info(&self) -> GeneratorInfo {
        GeneratorInfo {
            model: "numbers".into(),
            family: "test".into(),
            model_sha256: None,
            precision: Precision::F32,
            kernel: "host".into(),
            defaults: defaults(),
            schedulers: vec!["none".into()],
        }
    }

    fn start(&mut self, spec: &SampleSpec) -> Result<Box<dyn Session>> {
        if self.refuse == Some(spec.candidate) {
            return Err(broken("refused"));
        }
        Ok(Box::new(Count(spec.clone(), 0)))
    }

    fn step_batch(&mut self, sessions: &mut [Box<dyn Session>]) -> Result<()> {
        self.forward_passes += 1;
        if sessions.iter().any(|s| Some(s.spec().candidate) == self.break_step && s.step() == 1) {
            return Err(broken("out of memory"));
        }
        for session in sessions {
            session.as_any_mut().downcast_mut::<Count>().unwrap().1 += 1;
        }
        Ok(())
    }

    fn decode(&mut self, sessions: &[Box<dyn Session>]) -> Vec<Result<Image>> {
        let decode = |candidate: u32| match self.break_decode == Some(candidate) {
            true => Err(broken("not a number")),
            false => Image::from_rgb8(1, 1, vec![candidate as u8; 3]),
        };
        sessions.iter().map(|session| decode(session.spec().candidate)).collect()
    }
}

/// Scores by brightness; NaN for the picture that shows 5.
struct Brightness;

impl Reward for Brightness {
    fn info(&self) -> RewardInfo {
        RewardInfo {
            id: "brightness".into(),
            weights_sha256: None,
            preprocess: "none".into(),
            precision: Precision::F32,
            kernel: "host".into(),
        }
    }

    fn prepare(&self, image: &Image) -> Result<Prepared> {
        Ok(Prepared::new(f32::from(image.as_rgb8()[0])))
    }

    fn score_prepared(&self, batch: &[PreparedPair<'_>]) -> Vec<Result<Score>> {
        let score = |pair: &PreparedPair<'_>| match *pair.image.downcast_ref::<f32>()? {
            5.0 => Score::new(f32::NAN),
            value => Score::new(value),
        };
        batch.iter().map(score).collect()
    }
}

#[derive(Default)]
struct Log {
    finished: Vec<u32>,
    failed: Vec<(u32, String)>,
    steps: usize,
    cancel_after: Option<(usize, &'static AtomicBool)>,
}

impl Observer for Log {
    fn on_event(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::CandidateFinished { candidate, image } => {
                assert_eq!(candidate.score.value(), f32::from(image.as_rgb8()[0]));
                self.finished.push(candidate.spec.candidate);
            }
            Event::CandidateFailed { spec, error } => {
                self.failed.push((spec.candidate, error.message().to_owned()));
            }
            Event::Step { .. } => self.steps += 1,
            _ => {}
        }
        if let Some((count, cancel)) = self.cancel_after {
            cancel.store(self.finished.len() >= count, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn specs(count: u32) -> Vec<SampleSpec> {
    let options = SampleOptions::default();
    let spec = |n| options.resolve(&defaults(), &Prompt::from("x"), Seed(0), n);
    (0..count).map(spec).collect()
}

fn draw(mut generator: Numbers, count: u32, batch_size: usize) -> (Log, usize) {
    let mut log = Log::default();
    let cancel = AtomicBool::new(false);
    let options = DrawOptions { batch_size, cancel: &cancel };
    let scorer = Scorer::from_reward(Brightness);
    draw_candidates(&mut generator, &scorer, &specs(count), options, &mut log).unwrap();
    (log, generator.forward_passes)
}

#[test]
fn every_candidate_is_drawn_in_as_few_passes_as_the_batch_allows() {
    for (batch_size, passes) in [(1, 12), (2, 6), (3, 6), (4, 3), (100, 3), (0, 12)] {
        let (log, forward_passes) = draw(Numbers::default(), 4, batch_size);
        assert_eq!((log.finished, log.steps), (vec![0, 1, 2, 3], 12));
        assert_eq!(forward_passes, passes, "batches of {batch_size}");
    }
}

#[test]
fn one_failure_leaves_the_others_alone() {
    for batch_size in [1, 3, 8] {
        let generator = Numbers {
            refuse: Some(1),
            break_step: Some(2),
            break_decode: Some(3),
            ..Default::default()
        };
        let (mut log, _) = draw(generator, 7, batch_size);
        log.finished.sort_unstable();
        log.failed.sort();
        assert_eq!(log.finished, [0, 4, 6], "batches of {batch_size}");
        let expected =
            [(1, "refused"), (2, "out of memory"), (3, "not a number"), (5, "the score is NaN")];
        let expected = expected.map(|(candidate, why)| (candidate, why.to_owned()));
        assert_eq!(log.failed, expected, "batches of {batch_size}");
    }
}

#[test]
fn a_stop_keeps_what_is_finished() {
    static CANCEL: AtomicBool = AtomicBool::new(false);
    let mut log = Log { cancel_after: Some((2, &CANCEL)), ..Default::default() };
    let options = DrawOptions { batch_size: 1, cancel: &CANCEL };
    let scorer = Scorer::from_reward(Brightness);
    let mut generator = Numbers::default();
    let error = draw_candidates(&mut generator, &scorer, &specs(4), options, &mut log).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(log.finished, [0, 1]);
}

#[test]
fn an_observer_that_fails_ends_the_work() {
    struct Full;
    impl Observer for Full {
        fn on_event(&mut self, event: &Event<'_>) -> Result<()> {
            match event {
                Event::CandidateFinished { .. } => {
                    Err(Error::new(ErrorKind::Io, "no space left on device"))
                }
                _ => Ok(()),
            }
        }
    }
    let cancel = AtomicBool::new(false);
    let options = DrawOptions { batch_size: 1, cancel: &cancel };
    let scorer = Scorer::from_reward(Brightness);
    let mut generator = Numbers::default();
    let error =
        draw_candidates(&mut generator, &scorer, &specs(4), options, &mut Full).unwrap_err();
    assert_eq!(error.message(), "no space left on device");
    assert_eq!(generator.forward_passes, 3);
}

#[test]
fn one_bad_pair_leaves_a_batch_alone() {
    let scorer = Scorer::from_reward(Brightness);
    let prompt = Prompt::from("x");
    let picture = |value: u8| Image::from_rgb8(1, 1, vec![value; 3]).unwrap();
    let images: Vec<Image> = [4, 5, 6].map(picture).into();
    let pairs: Vec<_> = images.iter().map(|image| (image, &prompt)).collect();
    let scores = scorer.score_batch(&pairs);
    assert_eq!(scores[0].as_ref().ok(), Some(&4.0));
    assert_eq!(scores[1].as_ref().unwrap_err().kind(), ErrorKind::NotFinite);
    assert_eq!(scores[2].as_ref().ok(), Some(&6.0));
    assert!(scorer.rank(&images, "x").is_err());
    let ranked = scorer.rank(&[picture(4), picture(6)], "x").unwrap();
    assert_eq!(ranked.iter().map(|ranked| ranked.index).collect::<Vec<_>>(), [1, 0]);
}
