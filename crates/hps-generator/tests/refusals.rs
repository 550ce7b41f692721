//! What cannot be loaded or drawn is refused with what would be possible.

#![allow(clippy::unwrap_used)]

mod reference;

use hps_core::{Error, ErrorKind, Generator, Prompt, SampleOptions, SampleSpec, Seed};
use hps_generator::StableDiffusion;
use reference::altered::Altered;
use reference::variants;
use serde_json::{Value, json};

const VAE_WEIGHTS: &str = "vae/diffusion_pytorch_model.safetensors";

fn copy() -> Altered {
    Altered::new(&variants()[0])
}

/// The error of loading a copy whose JSON file `name` has `key` set to `value`.
fn error_with(name: &str, key: &str, value: Value) -> Error {
    copy().with_setting(name, key, value).load().err().unwrap()
}

#[test]
fn missing_files_are_named() {
    for name in [
        "model_index.json",
        "unet/config.json",
        "scheduler/scheduler_config.json",
        "unet/diffusion_pytorch_model.safetensors",
        VAE_WEIGHTS,
        "text_encoder/model.safetensors",
    ] {
        let error = copy().without(name).load().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.message().contains(name), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn misfits_between_configuration_and_weights_are_listed() {
    let unet: Value = variants()[0].files.read_json("unet/config.json").unwrap();
    let channels: Vec<u64> = serde_json::from_value(unet["block_out_channels"].clone()).unwrap();
    let wider: Vec<u64> = channels.iter().map(|channels| 2 * channels).collect();
    for (name, key, value, words) in [
        ("unet/config.json", "block_out_channels", json!(wider), ["resnets.0", "different"]),
        ("unet/config.json", "layers_per_block", json!(2), ["missing", "resnets.1"]),
        ("unet/config.json", "use_linear_projection", json!(true), ["proj_in", "different"]),
        ("vae/config.json", "layers_per_block", json!(2), ["missing", "resnets.2"]),
        ("vae/config.json", "use_post_quant_conv", json!(false), ["not expected", "post_quant"]),
        ("text_encoder/config.json", "num_hidden_layers", json!(4), ["missing", "resblocks.3"]),
        // Sizes that no memory holds.
        ("unet/config.json", "layers_per_block", json!(1u64 << 40), ["missing", "resnets.1"]),
        (
            "vae/config.json",
            "block_out_channels",
            json!([16, 1u64 << 40]),
            ["different", "conv_in"],
        ),
    ] {
        let error = error_with(name, key, value);
        assert_eq!(error.kind(), ErrorKind::InvalidWeights, "{error}");
        for word in words {
            assert!(error.message().contains(word), "{key}: {error}");
        }
    }
}

#[test]
fn parts_of_different_models_are_refused() {
    for (name, key, value, word) in [
        ("unet/config.json", "in_channels", json!(9), "channels"),
        ("vae/config.json", "latent_channels", json!(16), "channels"),
        ("unet/config.json", "cross_attention_dim", json!(33), "cross_attention_dim"),
        ("unet/config.json", "time_cond_proj_dim", json!(256), "time_cond_proj_dim"),
        ("unet/config.json", "addition_embed_type", json!("text_time"), "addition_embed_type"),
        ("model_index.json", "_class_name", json!("StableDiffusionXLPipeline"), "SDXL"),
        ("text_encoder/config.json", "vocab_size", json!(1000), "vocabulary"),
        ("text_encoder/config.json", "max_position_embeddings", json!(1 << 15), "positions"),
        ("text_encoder/config.json", "max_position_embeddings", json!(1u64 << 40), "tokens"),
        ("scheduler/scheduler_config.json", "beta_schedule", json!("laplace"), "laplace"),
    ] {
        let error = error_with(name, key, value);
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.message().contains(word), "{error}");
    }
}

#[test]
fn former_names_of_the_decoder_give_the_same_pictures() {
    let renamed = copy().with_tensors(VAE_WEIGHTS, |tensors| {
        let names =
            [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")];
        let rename =
            |name: String| names.iter().fold(name, |name, (new, old)| name.replace(new, old));
        let renamed: std::collections::HashMap<_, _> =
            tensors.into_iter().map(|(name, tensor)| (rename(name), tensor)).collect();
        assert!(renamed.keys().any(|name| name.ends_with("attentions.0.proj_attn.weight")));
        renamed
    });
    let picture = |mut model: StableDiffusion| {
        let mut sessions = vec![model.start(&spec(&model, |_| {})).unwrap()];
        model.step_batch(&mut sessions).unwrap();
        model.decode(&sessions).remove(0).unwrap()
    };
    assert!(picture(renamed.load().unwrap()) == picture(copy().load().unwrap()));
}

#[test]
fn weights_that_are_not_finite_give_an_error_and_no_picture() {
    let damaged = copy().with_tensors(VAE_WEIGHTS, |mut tensors| {
        let bias = tensors.get_mut("decoder.conv_out.bias").unwrap();
        *bias = (bias.zeros_like().unwrap() / 0.0).unwrap();
        tensors
    });
    let mut model = damaged.load().unwrap();
    let mut sessions = vec![model.start(&spec(&model, |_| {})).unwrap()];
    model.step_batch(&mut sessions).unwrap();
    let error = model.decode(&sessions).remove(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFinite);
}

fn spec(model: &StableDiffusion, change: impl Fn(&mut SampleSpec)) -> SampleSpec {
    let options = SampleOptions { num_inference_steps: Some(2), ..SampleOptions::default() };
    let defaults = model.info().defaults;
    let mut spec = options.resolve(&defaults, &Prompt::from("a fox"), Seed(0), 0);
    change(&mut spec);
    spec
}

#[test]
fn impossible_requests_say_what_is_possible() {
    type Change = fn(&mut SampleSpec);
    let changes: [(Change, &str); 7] = [
        (|spec| spec.height = u32::MAX, "8192"),
        (|spec| spec.num_inference_steps = 0, "1000"),
        (|spec| spec.num_inference_steps = 1001, "1000"),
        (|spec| spec.scheduler = "dpm++2m".into(), "ddim, euler"),
        (|spec| spec.guidance_scale = f32::NAN, "number"),
        (|spec| spec.eta = 1.5, "between 0"),
        (|spec| (spec.scheduler, spec.eta) = ("euler".into(), 0.5), "ddim"),
    ];
    let mut model = variants()[0].load();
    let refuse = |model: &mut StableDiffusion, spec: &SampleSpec, hint: &str| {
        let error = model.start(spec).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.hint().unwrap().contains(hint), "{error}: {:?}", error.hint());
    };
    for (change, hint) in changes {
        let spec = spec(&model, change);
        refuse(&mut model, &spec, hint);
    }
    let scale = model.pixels_per_latent();
    let spec = spec(&model, |spec| spec.width = 8 * scale - 1);
    refuse(&mut model, &spec, &format!("{} and {}", 7 * scale, 8 * scale));
}

#[test]
fn the_description_names_everything() {
    for variant in variants() {
        let info = variant.load().info();
        let kernel = hps_nn::kernel_name(&candle_core::Device::Cpu);
        assert_eq!((info.model.as_str(), info.kernel.as_str()), (&*variant.name, kernel));
        assert_eq!(info.schedulers, ["ddim", "euler"]);
        assert_eq!(info.model_sha256, None);
        let sizes = variant.files.read_json::<Value>("unet/config.json").unwrap();
        let blocks = variant.files.read_json::<Value>("vae/config.json").unwrap();
        let scale = 1 << (blocks["block_out_channels"].as_array().unwrap().len() - 1);
        let side = sizes["sample_size"].as_u64().unwrap() as u32 * scale;
        assert_eq!((info.defaults.width, info.defaults.height), (side, side));
        let scheduler: Value = variant.files.read_json("scheduler/scheduler_config.json").unwrap();
        let turbo = scheduler["timestep_spacing"] == "trailing";
        assert_eq!(info.defaults.num_inference_steps, if turbo { 1 } else { 50 });
        assert_eq!(info.defaults.guidance_scale, if turbo { 0.0 } else { 7.5 });
    }
}
