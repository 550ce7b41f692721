//! Damaged, cut and hostile weights files give errors that say what is wrong.
#![allow(clippy::unwrap_used, missing_docs)]

mod torch_file;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use hps_core::ErrorKind;
use hps_weights::{Checkpoint, MemoryBytes};
use proptest::prelude::*;
use torch_file::{Saved, archive, save};

fn fixture(name: &str) -> Vec<u8> {
    let folder = match std::env::var_os("HPS_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")),
    };
    std::fs::read(folder.join("reward").join(name)).unwrap()
}

static PT: LazyLock<&'static [u8]> = LazyLock::new(|| fixture("hps-tiny.pt").leak());
static SAFETENSORS: LazyLock<&'static [u8]> =
    LazyLock::new(|| fixture("hps-tiny.safetensors").leak());

fn message(bytes: impl Into<MemoryBytes>) -> String {
    let error = Checkpoint::from_bytes("file", bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidWeights);
    assert!(error.message().starts_with("file"), "{error}");
    error.message().to_owned()
}

/// A file with one small tensor of 2 × 3 halves 0, 1, 2, … in a storage of 8.
fn one(change: impl FnOnce(&mut Saved<'_>)) -> Vec<u8> {
    let data: Vec<u8> = (0..8).flat_map(|i| half::f16::from_f32(i as f32).to_le_bytes()).collect();
    let mut saved = Saved {
        name: "w",
        storage: "HalfStorage",
        elements: 8,
        offset: 2,
        shape: &[2, 3],
        strides: &[3, 1],
        data: &data,
    };
    change(&mut saved);
    save(&[saved])
}

#[test]
fn torch_files_of_any_stride() {
    let load = |bytes| Checkpoint::from_bytes("file", bytes).and_then(|c| c.values("w"));
    assert_eq!(load(one(|_| {})).unwrap(), [2., 3., 4., 5., 6., 7.]);
    let turned = one(|saved| (saved.shape, saved.strides) = (&[3, 2], &[1, 3]));
    assert_eq!(load(turned).unwrap(), [2., 5., 3., 6., 4., 7.]);
    let sparse = one(|saved| (saved.shape, saved.strides) = (&[2, 2], &[4, 1]));
    assert_eq!(load(sparse).unwrap(), [2., 3., 6., 7.]);
    let integers = one(|saved| saved.storage = "ShortStorage");
    let error = load(integers).unwrap_err();
    assert!(error.message().contains("tensor w holds I16"), "{error}");
}

#[test]
fn tensors_outside_their_storage() {
    type Change = fn(&mut Saved<'_>);
    let changes: [Change; 8] = [
        |saved| saved.offset = 3,
        |saved| saved.offset = u32::MAX,
        |saved| saved.strides = &[4, 1],
        |saved| saved.shape = &[u32::MAX, u32::MAX],
        |saved| (saved.shape, saved.strides) = (&[u32::MAX, u32::MAX, 2], &[u32::MAX; 3]),
        // A stride of 0 would make gigabytes out of two bytes.
        |saved| (saved.shape, saved.strides) = (&[u32::MAX, 2], &[0, 0]),
        |saved| saved.elements = 7,
        |saved| saved.data = &saved.data[..15],
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let message = message(one(change));
        assert!(
            message.contains("tensor w") && message.contains("does not fit"),
            "{index}: {message}"
        );
    }
    let pickle = fixture_pickle();
    assert!(message(archive(&[("m/data.pkl", &pickle)], 0)).contains("which is absent"));
}

/// The pickle in the fixture.
fn fixture_pickle() -> Vec<u8> {
    let start = PT.windows(4).position(|w| w == b"\x80\x02}q").unwrap();
    let end = PT.windows(3).position(|w| w == b"uu.").unwrap() + 3;
    PT[start..end].to_vec()
}

#[test]
fn code_is_reported_and_not_run() {
    let canary = tempfile::tempdir().unwrap().keep().join("ran");
    let command = format!("touch {}", canary.display());
    // What pickle.dumps(protocol=2) writes for an object with
    // `def __reduce__(self): return os.system, (command,)`.
    let mut evil = b"\x80\x02cposix\nsystem\nq\0X".to_vec();
    evil.extend((command.len() as u32).to_le_bytes());
    evil.extend(command.bytes());
    evil.extend(b"q\x01\x85q\x02Rq\x03.");
    for file in [archive(&[("m/data.pkl", &evil)], 0), evil] {
        let error = Checkpoint::from_bytes("file", file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidWeights);
        for part in ["contains code", "posix.system", "not executed"] {
            assert!(error.message().contains(part), "{error}");
        }
        assert!(error.hint().unwrap().contains("safetensors"));
    }
    assert!(!canary.exists());
    std::fs::remove_dir_all(canary.parent().unwrap()).unwrap();
}

#[test]
fn unusual_archives_are_explained() {
    let pickle = ("m/data.pkl", &b"\x80\x02}."[..]);
    type Case<'a> = (&'a [(&'a str, &'a [u8])], u16, &'a str);
    let archives: [Case<'_>; 6] = [
        (&[pickle], 8, "compressed"),
        (&[("m/data.pkl", b"\x80\x02].")], 0, "no dictionary"),
        (&[("m/some.txt", b"text")], 0, "no data.pkl"),
        (&[pickle, ("n/data.pkl", b"")], 0, "no data.pkl"),
        (&[pickle, ("m/byteorder", b"big")], 0, "big-endian"),
        (&[pickle, pickle], 0, "two zip entries"),
    ];
    for (entries, method, part) in archives {
        let message = message(archive(entries, method));
        assert!(message.contains(part), "{message}");
    }
    let entries = [pickle, ("m/byteorder", &b"little"[..])];
    assert!(Checkpoint::from_bytes("file", archive(&entries, 0)).unwrap().is_empty());
}

#[test]
fn cut_files_say_how_much_is_missing() {
    let whole = SAFETENSORS.len();
    for length in [9, 100, 8000, 20_000, whole - 1] {
        let message = message(&SAFETENSORS[..length]);
        assert!(message.contains("cut short"), "{message}");
        if length > 10_000 {
            assert!(message.contains(&format!(": {} bytes are missing", whole - length)));
        }
    }
    for length in [10, 5000, 20_000, PT.len() / 2, PT.len() - 1] {
        let message = message(&PT[..length]);
        assert!(message.contains("cut short"), "{message}");
        if (20_000..PT.len() - 1).contains(&length) {
            let number = message.split(' ').find_map(|word| word.parse::<usize>().ok()).unwrap();
            let missing = PT.len() - length;
            assert!(number <= missing && number + 30_000 > missing, "{number} {missing}");
        }
    }
}

#[test]
fn files_on_disk_behave_like_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("any-name.txt");
    std::fs::write(&path, &PT[..1000]).unwrap();
    assert!(Checkpoint::open(&path).unwrap_err().message().contains("cut short"));
    std::fs::write(&path, b"").unwrap();
    assert!(Checkpoint::open(&path).unwrap_err().message().contains("empty"));
    let error = Checkpoint::open(dir.path().join("none.pt")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(Checkpoint::open(dir.path()).unwrap_err().kind(), ErrorKind::Io);
    let copy = dir.path().join("copy");
    std::fs::write(&copy, *PT).unwrap();
    let (disk, memory) = (Checkpoint::open(&copy), Checkpoint::from_bytes("x", *PT));
    assert_eq!(
        disk.unwrap().values("state_dict.visual.proj").unwrap(),
        memory.unwrap().values("state_dict.visual.proj").unwrap()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cutting_anywhere_is_an_error(at in 0.0f64..1.0, torch: bool) {
        let whole = if torch { *PT } else { *SAFETENSORS };
        let cut = &whole[..(at * whole.len() as f64) as usize];
        prop_assert!(Checkpoint::from_bytes("file", cut).is_err());
    }

    #[test]
    fn changed_headers_never_panic(
        changes in proptest::collection::vec((0usize..20_000, any::<u8>()), 1..8),
        from_end: bool,
        torch: bool,
    ) {
        let mut bytes = (if torch { *PT } else { *SAFETENSORS }).to_vec();
        let length = bytes.len();
        for (at, value) in changes {
            bytes[if from_end { length - 1 - at } else { at }] = value;
        }
        if let Ok(checkpoint) = Checkpoint::from_bytes("file", Arc::<[u8]>::from(bytes)) {
            let canonical = checkpoint.canonical();
            for checkpoint in [Ok(checkpoint), canonical].into_iter().flatten() {
                for (name, _) in checkpoint.tensors().take(8) {
                    let _ = checkpoint.values(name);
                }
            }
        }
    }
}
