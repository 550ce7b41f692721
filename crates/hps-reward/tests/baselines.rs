//! CLIPScore, PickScore and aesthetic against values of the public Python packages,
//! made by `scripts/make_baseline_reward_values.py`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use hps_clip::ClipConfig;
use hps_core::{Error, ErrorKind, Prepared, PreparedPair, Prompt, Reward};
use hps_reward::decode::{DecodeOptions, decode_file};
use hps_reward::{ClipReward, RewardKind, RewardOptions, RewardWeights};
use hps_weights::Checkpoint;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Deserialize;

const KINDS: [RewardKind; 3] =
    [RewardKind::ClipScore, RewardKind::PickScore, RewardKind::Aesthetic];

#[derive(Deserialize)]
struct Values {
    prompts: Vec<Prompt>,
    /// Transparency dropped: Pillow's `convert("RGB")`.
    pillow_rgb: Scores,
    /// Transparent pictures on white.
    on_white: Scores,
}

#[derive(Deserialize)]
struct Scores {
    images: Vec<String>,
    /// By picture, then by prompt.
    clip_score: Vec<Vec<f32>>,
    pickscore: Vec<Vec<f32>>,
    /// By picture.
    aesthetic: Vec<f32>,
}

impl Values {
    fn read() -> Values {
        serde_json::from_str(&fs::read_to_string(data("values.json")).unwrap()).unwrap()
    }
}

impl Scores {
    /// By picture, then by prompt.
    fn of(&self, kind: RewardKind) -> Vec<f32> {
        match kind {
            RewardKind::ClipScore => self.clip_score.concat(),
            RewardKind::PickScore => self.pickscore.concat(),
            _ => {
                let prompts = self.clip_score[0].len();
                self.aesthetic.iter().flat_map(|&value| vec![value; prompts]).collect()
            }
        }
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/baselines").join(name)
}

fn weights(kind: RewardKind) -> RewardWeights {
    let config = match kind {
        RewardKind::PickScore => "gelu.json",
        _ => "quick_gelu.json",
    };
    let config = fs::read_to_string(data(config)).unwrap();
    let head = Checkpoint::open(data("head.pth")).unwrap();
    RewardWeights {
        clip: Checkpoint::open(data("model.safetensors")).unwrap(),
        config: Some(ClipConfig::from_hugging_face(&config).unwrap()),
        head: (kind == RewardKind::Aesthetic).then_some(head),
    }
}

fn load(kind: RewardKind) -> ClipReward {
    ClipReward::load(
        kind,
        &weights(kind),
        RewardOptions { precision: hps_core::Precision::F32, ..Default::default() },
    )
    .unwrap()
}

fn prepare(reward: &ClipReward, images: &[String], options: &DecodeOptions) -> Vec<Prepared> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/reward/images");
    let prepare = |name: &String| {
        let decoded = decode_file(folder.join(name), options).unwrap();
        reward.prepare(&decoded.image).unwrap()
    };
    images.iter().map(prepare).collect()
}

fn prepare_all(reward: &ClipReward, values: &Values) -> Vec<Prepared> {
    prepare(reward, &values.pillow_rgb.images, &DecodeOptions::default())
}

/// Every picture with every prompt, by picture.
fn pairs<'a>(images: &'a [Prepared], prompts: &'a [Prompt]) -> Vec<PreparedPair<'a>> {
    let with_prompts = |image| prompts.iter().map(move |prompt| PreparedPair { image, prompt });
    images.iter().flat_map(with_prompts).collect()
}

fn scores(reward: &ClipReward, pairs: &[PreparedPair<'_>]) -> Vec<f32> {
    reward.score_prepared(pairs).into_iter().map(|score| score.unwrap().value()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn largest_difference(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len());
    let differences = actual.iter().zip(expected).map(|(a, b)| (a - b).abs());
    assert!(differences.clone().all(f32::is_finite));
    differences.fold(0.0, f32::max)
}

/// Compares the scores of every picture with every prompt.
fn compare(expected: &Scores, prompts: &[Prompt], options: &DecodeOptions) {
    for kind in KINDS {
        let reward = load(kind);
        let images = prepare(&reward, &expected.images, options);
        let actual = scores(&reward, &pairs(&images, prompts));
        let allowed = match kind {
            RewardKind::ClipScore => 2e-6,
            RewardKind::PickScore => 2e-6 * reward.clip().logit_scale(),
            _ => 1e-5 * expected.aesthetic.iter().copied().fold(f32::INFINITY, f32::min),
        };
        let difference = largest_difference(&actual, &expected.of(kind));
        assert!(difference < allowed, "{kind}: {difference:e} where {allowed:e} is allowed");
    }
}

#[test]
fn scores_equal_those_of_transformers() {
    let values = Values::read();
    compare(&values.pillow_rgb, &values.prompts, &DecodeOptions::default());
}

#[test]
fn a_white_background_equals_that_of_transformers() {
    let values = Values::read();
    let options = DecodeOptions { background: Some([255; 3]), ..DecodeOptions::default() };
    compare(&values.on_white, &values.prompts, &options);
}

#[test]
fn a_score_depends_on_its_pair_alone() {
    let values = Values::read();
    for kind in KINDS {
        let reward = load(kind);
        let images = prepare_all(&reward, &values);
        let pairs = pairs(&images, &values.prompts);
        let together = bits(&scores(&reward, &pairs));
        // Another instance, so that its prompts are embedded in other batches, too.
        let other = load(kind);
        for size in [1, 7] {
            let apart: Vec<f32> =
                pairs.chunks(size).flat_map(|part| scores(&other, part)).collect();
            assert_eq!(bits(&apart), together, "{kind} in batches of {size}");
        }
    }
}

#[test]
fn cached_prompts_score_the_same() {
    let values = Values::read();
    for kind in KINDS {
        let reward = load(kind);
        let images = prepare_all(&reward, &values);
        let pairs = pairs(&images, &values.prompts);
        let (last, fresh) = (pairs.last().copied().unwrap(), scores(&reward, &pairs));
        assert_eq!(bits(&scores(&reward, &pairs)), bits(&fresh), "{kind}");
        let twice = scores(&reward, &[last, pairs[0], last]);
        let expected = [fresh[fresh.len() - 1], fresh[0], fresh[fresh.len() - 1]];
        assert_eq!(bits(&twice), bits(&expected), "{kind}");
    }
}

#[test]
fn aesthetic_ignores_the_prompt() {
    let values = Values::read();
    let reward = load(RewardKind::Aesthetic);
    let images = prepare_all(&reward, &values);
    let actual = scores(&reward, &pairs(&images, &values.prompts));
    for of_image in actual.chunks(values.prompts.len()) {
        assert!(of_image.iter().all(|score| score == &of_image[0]), "{of_image:?}");
    }
    let remarks = |kind| -> Vec<usize> {
        let reward = load(kind);
        values.prompts.iter().map(|prompt| reward.check_prompt(prompt).len()).collect()
    };
    assert!(remarks(RewardKind::Aesthetic).iter().all(|&count| count == 0));
    assert!(remarks(RewardKind::ClipScore).iter().any(|&count| count > 0));
}

#[test]
fn the_activation_is_that_of_the_configuration() {
    let values = Values::read();
    let mut weights = weights(RewardKind::ClipScore);
    weights.config = self::weights(RewardKind::PickScore).config;
    let reward = ClipReward::load(
        RewardKind::ClipScore,
        &weights,
        RewardOptions { precision: hps_core::Precision::F32, ..Default::default() },
    )
    .unwrap();
    let images = prepare_all(&reward, &values);
    let actual = scores(&reward, &pairs(&images, &values.prompts));
    assert!(largest_difference(&actual, &values.pillow_rgb.of(RewardKind::ClipScore)) > 1e-3);
}

/// The tensors of the head, as `change` makes them.
fn changed_head(change: impl Fn(&str, &[usize]) -> Option<(String, Vec<usize>)>) -> Checkpoint {
    let head = Checkpoint::open(data("head.pth")).unwrap();
    let tensors = head.tensors().filter_map(|(name, info)| change(name, &info.shape));
    let zeros = [0_u8; 4 * 64 * 64];
    let views = tensors.map(|(name, shape)| {
        let size = 4 * shape.iter().product::<usize>();
        (name, TensorView::new(Dtype::F32, shape, &zeros[..size]).unwrap())
    });
    let bytes = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    Checkpoint::from_bytes("head.safetensors", bytes).unwrap()
}

/// The error of loading with `head`, which a check without loading finds as well.
fn refused(head: Checkpoint) -> Error {
    let kind = RewardKind::Aesthetic;
    let weights = RewardWeights { head: Some(head), ..weights(kind) };
    let error = ClipReward::load(
        kind,
        &weights,
        RewardOptions { precision: hps_core::Precision::F32, ..Default::default() },
    )
    .unwrap_err();
    assert_eq!(weights.check(kind).unwrap_err().message(), error.message());
    assert_eq!(error.kind(), ErrorKind::InvalidWeights, "{error}");
    assert!(error.message().contains("head"), "{error}");
    assert!(error.hint().unwrap().contains("sac+logos+ava1-l14-linearMSE.pth"));
    error
}

#[test]
fn a_head_that_does_not_fit_is_refused_by_tensor() {
    let same = |name: &str, shape: &[usize]| Some((name.to_owned(), shape.to_vec()));
    let whole = RewardWeights { head: Some(changed_head(same)), ..weights(RewardKind::Aesthetic) };
    whole.check(RewardKind::Aesthetic).unwrap();

    for missing in ["layers.0.weight", "layers.4.bias", "layers.7.weight"] {
        let head = changed_head(|name, shape| same(name, shape).filter(|_| name != missing));
        assert!(refused(head).message().contains(&format!("1 missing: {missing}")));
    }
    for (tensor, wrong) in [
        ("layers.0.weight", vec![32, 16]),
        ("layers.2.weight", vec![512]),
        ("layers.6.bias", vec![5]),
        ("layers.7.weight", vec![2, 4]),
    ] {
        let change = |name: &str, shape: &[usize]| match name == tensor {
            true => Some((name.to_owned(), wrong.clone())),
            false => same(name, shape),
        };
        let message = refused(changed_head(change)).full_message();
        assert!(message.contains(&format!("{tensor} is F32 {wrong:?}")), "{message}");
    }
    // The predictor with activations has its layers elsewhere.
    let moved =
        |name: &str, shape: &[usize]| Some((name.replace("layers.7", "layers.8"), shape.to_vec()));
    let message = refused(changed_head(moved)).full_message();
    assert!(message.contains("layers.7.weight") && message.contains("layers.8.weight"));
}

#[test]
fn other_models_are_no_head_and_a_head_is_no_model() {
    let model = Checkpoint::open(data("model.safetensors")).unwrap();
    assert!(refused(model).message().contains("layers.0.weight"));

    let kind = RewardKind::Aesthetic;
    let head = weights(kind).head.unwrap();
    let swapped = RewardWeights { clip: head, ..weights(kind) };
    let error = ClipReward::load(
        kind,
        &swapped,
        RewardOptions { precision: hps_core::Precision::F32, ..Default::default() },
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidWeights);
    assert!(error.message().contains("token_embedding.weight"), "{error}");

    let without = RewardWeights { head: None, ..weights(kind) };
    let error = ClipReward::load(
        kind,
        &without,
        RewardOptions { precision: hps_core::Precision::F32, ..Default::default() },
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("head"), "{error}");
}

#[test]
fn the_published_layout_is_recognised() {
    let model = fs::read(data("model.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&model).unwrap();
    // As transformers before 4.31 stored them, PickScore_v1's among them; no computation reads them.
    for tower in ["text_model", "vision_model"] {
        let name = format!("{tower}.embeddings.position_ids");
        assert_eq!(stored.tensor(&name).unwrap().dtype(), Dtype::I64);
    }
    // Without a configuration they are compared with the published architecture.
    for kind in [RewardKind::ClipScore, RewardKind::PickScore] {
        let weights = RewardWeights { config: None, ..weights(kind) };
        let error = weights.check(kind).unwrap_err();
        let width = kind.published_config().unwrap().text.width;
        let expected = format!("positional_embedding is F16 [77, 32], expected [77, {width}]");
        assert!(error.message().contains(&expected), "{error}");
        assert!(!error.message().contains("position_ids"), "{error}");
    }
}
