//! One model in every layout gives the same tensors under the same names.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::PathBuf;

use candle_core::{DType, Device};
use hps_core::Precision;
use hps_weights::{Checkpoint, Dtype, Format, ModelFiles, Naming, TensorSpec};
use safetensors::tensor::TensorView;

fn fixtures() -> PathBuf {
    match std::env::var_os("HPS_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")),
    }
    .join("reward")
}

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(fixtures().join(name)).unwrap()
}

fn specs(checkpoint: &Checkpoint) -> Vec<TensorSpec> {
    let spec =
        |(name, info): (&str, &hps_weights::TensorInfo)| TensorSpec::new(name, info.shape.clone());
    checkpoint.tensors().map(spec).collect()
}

fn assert_same(found: &Checkpoint, expected: &Checkpoint) {
    assert_eq!(specs(found), specs(expected));
    for (name, _) in expected.tensors() {
        assert_eq!(found.values(name).unwrap(), expected.values(name).unwrap(), "{name}");
    }
}

/// The checkpoint's tensors in a new safetensors file, renamed and converted.
fn rewrite(
    checkpoint: &Checkpoint,
    prefix: &str,
    dtype: Dtype,
    convert: impl Fn(f32) -> Vec<u8>,
) -> Vec<u8> {
    let tensors = checkpoint.tensors().map(|(name, info)| {
        let values = checkpoint.values(name).unwrap();
        let bytes: Vec<u8> = values.into_iter().flat_map(&convert).collect();
        (format!("{prefix}{name}"), info.shape.clone(), bytes)
    });
    let tensors: Vec<_> = tensors.collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.clone(), TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn the_four_published_layouts_agree() {
    let plain = open("hps-tiny.safetensors");
    assert_eq!((plain.format(), plain.len()), (Format::SafeTensors, 86));
    assert_eq!(plain.info("visual.conv1.weight").unwrap().shape, [64, 3, 8, 8]);
    assert_eq!(plain.info("logit_scale").unwrap().dtype, Dtype::F16);
    let cases = [
        ("hps-tiny.safetensors", Naming::OpenClip, ""),
        ("hps-tiny.pt", Naming::OpenClip, "state_dict."),
        ("hps-tiny-prefixed.safetensors", Naming::OpenClip, "model."),
        ("hps-tiny-hf/model.safetensors", Naming::HfClip, ""),
    ];
    for (file, naming, prefix) in cases {
        let raw = open(file);
        assert_eq!((raw.layout().naming(), raw.layout().prefix()), (naming, prefix), "{file}");
        let canonical = raw.canonical().unwrap();
        assert_eq!(canonical.layout(), raw.layout());
        assert_same(&canonical, &plain);
        assert_same(&canonical.canonical().unwrap(), &plain);
        canonical.check(&specs(&plain), &[]).unwrap();
    }
}

#[test]
fn stored_values_are_read_exactly() {
    let plain = open("hps-tiny.safetensors");
    for name in ["visual.proj", "ln_final.bias", "logit_scale"] {
        let halves = plain.bytes(name).unwrap().as_chunks::<2>().0;
        let expected: Vec<f32> =
            halves.iter().map(|pair| half::f16::from_le_bytes(*pair).to_f32()).collect();
        assert_eq!(plain.values(name).unwrap(), expected);
    }
    let hf = open("hps-tiny-hf/model.safetensors").canonical().unwrap();
    assert_eq!(hf.bytes("visual.proj"), None, "a transposed tensor is not in row-major order");
}

#[test]
fn other_prefixes_and_types_agree() {
    let plain = open("hps-tiny.safetensors");
    let single = |prefix| rewrite(&plain, prefix, Dtype::F32, |v| v.to_le_bytes().to_vec());
    for prefix in ["", "module.", "model.", "state_dict.module.model."] {
        let found = Checkpoint::from_bytes("memory", single(prefix)).unwrap();
        assert_eq!(found.layout().prefix(), prefix);
        assert_same(&found.canonical().unwrap(), &plain);
    }
    let double = rewrite(&plain, "", Dtype::F64, |v| f64::from(v).to_le_bytes().to_vec());
    assert_same(&Checkpoint::from_bytes("memory", double).unwrap(), &plain);
    let brain = |v: f32| half::bf16::from_f32(v);
    let bytes = rewrite(&plain, "", Dtype::BF16, |v| brain(v).to_le_bytes().to_vec());
    let rounded = Checkpoint::from_bytes("memory", bytes).unwrap();
    for (name, _) in plain.tensors() {
        let expected = plain.values(name).unwrap().into_iter().map(|v| brain(v).to_f32());
        assert_eq!(rounded.values(name).unwrap(), expected.collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn towers_alone_get_the_same_names() {
    let plain = open("hps-tiny.safetensors");
    let hf = open("hps-tiny-hf/model.safetensors");
    let towers = [
        ("text_model.", "text_projection.weight", Naming::HfClipText),
        ("vision_model.", "visual_projection.weight", Naming::HfClipVision),
    ];
    for (tower, projection, naming) in towers {
        for bare in [false, true] {
            let tensors: Vec<_> = hf
                .tensors()
                .filter(|(name, _)| name.starts_with(tower) || *name == projection)
                .map(|(name, info)| {
                    let view =
                        TensorView::new(Dtype::F16, info.shape.clone(), hf.bytes(name).unwrap());
                    let name = if bare { name.replace(tower, "") } else { name.to_owned() };
                    (name, view.unwrap())
                })
                .collect();
            let bytes = safetensors::serialize(tensors, None).unwrap();
            let found = Checkpoint::from_bytes("tower", bytes).unwrap().canonical().unwrap();
            assert_eq!(found.layout().naming(), naming);
            assert!(found.len() > 40);
            for (name, info) in found.tensors() {
                assert_eq!(Some(info), plain.info(name), "{name}");
                assert_eq!(found.values(name).unwrap(), plain.values(name).unwrap());
            }
        }
    }
}

#[test]
fn sharded_models_are_one_checkpoint() {
    let plain = open("hps-tiny.safetensors");
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<&str> = plain.tensors().map(|(name, _)| name).collect();
    let mut map = Vec::new();
    for (shard, names) in names.chunks(names.len().div_ceil(2)).enumerate() {
        let file = format!("model-{shard}.safetensors");
        let views = names.iter().map(|name| {
            let shape = plain.info(name).unwrap().shape.clone();
            (*name, TensorView::new(Dtype::F16, shape, plain.bytes(name).unwrap()).unwrap())
        });
        std::fs::write(dir.path().join(&file), safetensors::serialize(views, None).unwrap())
            .unwrap();
        map.extend(names.iter().map(|name| format!("{name:?}: {file:?}")));
    }
    let index = |map: &[String]| format!("{{\"weight_map\": {{{}}}}}", map.join(","));
    let path = dir.path().join("model.safetensors.index.json");
    std::fs::write(&path, index(&map)).unwrap();
    let files = ModelFiles::folder(dir.path()).unwrap();
    let found = files.find_weights("", &["model"]).unwrap();
    assert_same(&files.checkpoint(&found).unwrap(), &plain);
    for (bad, part) in [
        ("\"x\": \"model-0.safetensors\"", "x is not in"),
        ("\"x\": \"../model-0.safetensors\"", "names the file"),
        ("\"x\": \"model-9.safetensors\"", "no file"),
        ("\"x\": \"model.safetensors.index.json\"", "not a weights file"),
    ] {
        map.push(bad.to_owned());
        std::fs::write(&path, index(&map)).unwrap();
        let error = Checkpoint::open(&path).unwrap_err();
        assert!(error.message().contains(part), "{error}");
        map.pop();
    }
}

#[test]
fn var_builders_load_by_path() {
    let checkpoint = open("hps-tiny.pt").canonical().unwrap();
    let variables = checkpoint.var_builder(&Device::Cpu, Precision::F32);
    let visual = variables.pp("visual");
    assert!(visual.contains_tensor("proj") && !visual.contains_tensor("projection"));
    let tensor = visual.get((64, 24), "proj").unwrap();
    assert_eq!((tensor.dtype(), tensor.dims()), (DType::F32, &[64, 24][..]));
    let flat = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(flat, checkpoint.values("visual.proj").unwrap());
    let half = visual.get_stored((64, 24), "proj").unwrap();
    assert_eq!(half.dtype(), DType::F16);
    let same = half.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
    assert_eq!(same.to_vec1::<f32>().unwrap(), flat);
    let error = visual.get((24, 64), "proj").unwrap_err().to_string();
    for part in ["visual.proj", "[64, 24]", "[24, 64]"] {
        assert!(error.contains(part), "{error}");
    }
    let error = visual.get(1, "nothing").unwrap_err().to_string();
    assert!(error.contains("visual.nothing"), "{error}");
}

#[test]
fn checks_list_what_is_wrong() {
    let checkpoint = open("hps-tiny.safetensors");
    let mut expected = specs(&checkpoint);
    let surplus = expected.remove(2).name;
    assert_eq!(surplus, "logit_scale");
    checkpoint.check(&expected, &["logit_scale"]).unwrap();
    expected[0].shape.push(7);
    expected.extend((0..20).map(|i| TensorSpec::new(format!("absent.{i}"), [1, 2])));
    let error = checkpoint.check(&expected, &[]).unwrap_err();
    assert_eq!(error.kind(), hps_core::ErrorKind::InvalidWeights);
    for part in [
        "20 missing: absent.0 [1, 2], absent.1",
        "and 12 more",
        "ln_final.bias is F16 [32], expected [32, 7]",
        "1 not expected: logit_scale []",
        "hps-tiny.safetensors",
    ] {
        assert!(error.message().contains(part), "{part} in {error}");
    }
    assert!(!error.message().contains("absent.8"));
    assert!(error.hint().unwrap().contains("open_clip"));
}
