//! Generate and judge, from a few lines of your own program.

use std::sync::atomic::AtomicBool;

use hps_core::{
    Candidate, DeviceSpec, Error, ErrorKind, Event, Generator, GeneratorInfo, Image, Observer,
    Precision, Prompt, Result, SampleOptions, SampleSpec, Seed, Silent, rank_descending,
};
use hps_weights::digest::DigestTask;

use crate::draw::{DrawOptions, draw_candidates, group_scores};
use crate::models::{BUNDLED_GENERATOR, ModelStore};
use crate::scorer::{Scorer, ScorerBuilder};

/// A generator and a scorer that work together.
///
/// ```no_run
/// use hps_loop::{Pipeline, Scorer};
///
/// let scorer = Scorer::builder().reward("hps-v2.1");
/// let mut pipeline = Pipeline::builder().model("sd-turbo").scorer(scorer).best_of(8).build()?;
/// let drawn = pipeline.run("a red fox in the snow")?;
/// println!("{}", drawn[0].candidate.score);
/// # Ok::<(), hps_loop::Error>(())
/// ```
pub struct Pipeline {
    generator: Box<dyn Generator>,
    digest: Option<DigestTask>,
    scorer: Scorer,
    best_of: u32,
    seed: Seed,
    batch_size: usize,
    options: SampleOptions,
}

/// A finished candidate and its picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// How it was drawn and what it scored.
    pub candidate: Candidate,
    /// The picture.
    pub image: Image,
}

impl Pipeline {
    /// Starts to describe a pipeline.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }

    /// Draws the candidates of `prompt` and returns them from best to worst. One
    /// that fails is logged and left out.
    ///
    /// # Errors
    ///
    /// When no candidate could be drawn and scored.
    pub fn run(&mut self, prompt: impl Into<Prompt>) -> Result<Vec<Drawn>> {
        let mut collect = Collect::default();
        let prompt = prompt.into();
        self.check_settings(&prompt)?;
        let specs = self.specs(&prompt);
        self.draw(&specs, &AtomicBool::new(false), &mut collect)?;
        if collect.drawn.is_empty() {
            return Err(collect.failure.unwrap_or_else(|| {
                Error::new(ErrorKind::InvalidConfig, "no candidates were asked for")
            }));
        }
        let candidates: Vec<&Candidate> = collect.drawn.iter().map(|d| &d.candidate).collect();
        let scores = group_scores(&self.scorer, &candidates)?;
        let keys: Vec<Option<f32>> = scores.iter().map(|score| Some(score.value())).collect();
        let ranked = |index: usize| {
            let mut drawn = collect.drawn[index].clone();
            drawn.candidate.score = scores[index];
            drawn
        };
        Ok(rank_descending(&keys).into_iter().map(ranked).collect())
    }

    /// How each candidate of `prompt` is drawn.
    pub fn specs(&self, prompt: &Prompt) -> Vec<SampleSpec> {
        let defaults = self.generator.info().defaults;
        (0..self.best_of)
            .map(|candidate| self.options.resolve(&defaults, prompt, self.seed, candidate))
            .collect()
    }

    /// Finds out whether the settings suit the model, by starting the first
    /// candidate of `prompt`. All candidates of a run share their settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] from the generator. Other failures are the
    /// candidate's own and appear when it is drawn.
    pub fn check_settings(&mut self, prompt: &Prompt) -> Result<()> {
        let Some(spec) = self.specs(prompt).into_iter().next() else { return Ok(()) };
        match self.generator.start(&spec) {
            Err(error) if error.kind() == ErrorKind::InvalidConfig => Err(error),
            _ => Ok(()),
        }
    }

    /// Draws and scores `specs`, all of one prompt; see
    /// [`draw_candidates`](crate::draw_candidates).
    ///
    /// # Errors
    ///
    /// After `cancel` was set, and whatever `observer` returns.
    pub fn draw(
        &mut self,
        specs: &[SampleSpec],
        cancel: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let options = DrawOptions { batch_size: self.batch_size, cancel };
        draw_candidates(&mut *self.generator, &self.scorer, specs, options, observer)
    }

    /// The scorer.
    pub fn scorer(&self) -> &Scorer {
        &self.scorer
    }

    /// The generator's description. With `wait`, a digest that is still being
    /// computed is waited for.
    ///
    /// # Errors
    ///
    /// With `wait`, when the model's files can no longer be read.
    pub fn generator_info(&self, wait: bool) -> Result<GeneratorInfo> {
        let mut info = self.generator.info();
        if let Some(digest) = &self.digest {
            let digest = match wait {
                true => Some(digest.wait()?),
                false => digest.try_get().transpose()?,
            };
            info.model_sha256 = digest.map(|digest| digest.to_string());
        }
        Ok(info)
    }

    /// Candidates per prompt.
    pub fn best_of(&self) -> u32 {
        self.best_of
    }

    /// The seed.
    pub fn seed(&self) -> Seed {
        self.seed
    }
}

fn needs_reward() -> Error {
    let message = "a model other than the bundled one needs a reward";
    Error::new(ErrorKind::InvalidConfig, message)
        .with_hint("Name one with `--reward`, such as hps-v2.1.")
}

#[derive(Default)]
struct Collect {
    drawn: Vec<Drawn>,
    failure: Option<Error>,
}

impl Observer for Collect {
    fn on_event(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::CandidateFinished { candidate, image } => {
                self.drawn.push(Drawn { candidate: (*candidate).clone(), image: (*image).clone() })
            }
            Event::CandidateFailed { spec, error } => {
                tracing::warn!(candidate = spec.candidate, "{}", error.full_message());
                let first = || Error::new(error.kind(), error.full_message());
                self.failure.get_or_insert_with(first);
            }
            _ => {}
        }
        Silent.on_event(event)
    }
}

/// Describes a [`Pipeline`].
///
/// Without a model it is the bundled one, whose reward is the bundled `demo`;
/// any other model needs a reward.
#[derive(Default)]
pub struct PipelineBuilder {
    model: Option<String>,
    generator: Option<Box<dyn Generator>>,
    scorer: Option<ScorerBuilder>,
    ready_scorer: Option<Scorer>,
    best_of: Option<u32>,
    seed: Seed,
    batch_size: Option<usize>,
    options: SampleOptions,
    device: DeviceSpec,
    precision: Precision,
    models: Option<ModelStore>,
}

impl PipelineBuilder {
    /// The generator: a path, `bundled:NAME`, `hub:owner/name` or a registry name.
    #[must_use]
    pub fn model(mut self, reference: impl Into<String>) -> Self {
        self.model = Some(reference.into());
        self
    }

    /// Your own generator instead of a model.
    #[must_use]
    pub fn generator(mut self, generator: impl Generator + 'static) -> Self {
        self.generator = Some(Box::new(generator));
        self
    }

    /// The rewards to load.
    #[must_use]
    pub fn scorer(mut self, scorer: ScorerBuilder) -> Self {
        self.scorer = Some(scorer);
        self
    }

    /// Rewards that are loaded already.
    #[must_use]
    pub fn ready_scorer(mut self, scorer: Scorer) -> Self {
        self.ready_scorer = Some(scorer);
        self
    }

    /// Candidates per prompt; 1 by default.
    #[must_use]
    pub fn best_of(mut self, count: u32) -> Self {
        self.best_of = Some(count);
        self
    }

    /// The seed; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Candidates in one forward pass; 1 by default. Changes no picture.
    #[must_use]
    pub fn batch_size(mut self, size: usize) -> Self {
        self.batch_size = Some(size);
        self
    }

    /// Size, steps, guidance and so on, where they differ from the model's
    /// defaults.
    #[must_use]
    pub fn options(mut self, options: SampleOptions) -> Self {
        self.options = options;
        self
    }

    /// Where the generator runs; the CPU by default.
    #[must_use]
    pub fn device(mut self, device: DeviceSpec) -> Self {
        self.device = device;
        self
    }

    /// The generator's arithmetic; `accurate` by default.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Where models are found; the environment's hub cache by default.
    #[must_use]
    pub fn models(mut self, models: ModelStore) -> Self {
        self.models = Some(models);
        self
    }

    /// Finds the models and loads them.
    ///
    /// # Errors
    ///
    /// When a model is missing or does not fit, or a model other than the bundled
    /// one has no reward.
    pub fn build(self) -> Result<Pipeline> {
        let best_of = self.best_of.unwrap_or(1);
        if best_of == 0 {
            return Err(Error::new(ErrorKind::InvalidConfig, "best-of is 0")
                .with_hint("Draw at least one candidate: `--best-of 1`."));
        }
        let models = match self.models {
            Some(models) => models,
            None => ModelStore::from_env()?,
        };
        let bundled = self.generator.is_none()
            && self.model.as_deref().is_none_or(|model| model == BUNDLED_GENERATOR);
        let scorer = match (self.ready_scorer, self.scorer) {
            (Some(_), Some(_)) => {
                let message = "both a scorer to load and a loaded one are given";
                return Err(Error::new(ErrorKind::InvalidConfig, message));
            }
            (Some(scorer), None) => scorer,
            (None, builder) => {
                let builder = builder.unwrap_or_default().or_models(&models);
                match builder.named_reward() {
                    Some(_) => builder.build()?,
                    None if bundled => builder.reward("demo").build()?,
                    None => return Err(needs_reward()),
                }
            }
        };
        let (generator, digest) = match self.generator {
            Some(generator) => (generator, None),
            None => {
                let model = self.model.as_deref().unwrap_or(BUNDLED_GENERATOR);
                let found = models.generator(&model.parse()?)?;
                let device = hps_nn::open_device(self.device)?;
                let generator = found.load(&device, self.precision)?;
                (generator, Some(found.digest))
            }
        };
        Ok(Pipeline {
            generator,
            digest,
            scorer,
            best_of,
            seed: self.seed,
            batch_size: self.batch_size.unwrap_or(1).max(1),
            options: self.options,
        })
    }
}
