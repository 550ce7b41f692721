//! The names of the files of a run.

use std::path::{Path, PathBuf};

/// The lock of a run's folder.
pub(crate) const LOCK: &str = ".lock";
/// The manifest of a run.
pub(crate) const MANIFEST: &str = "run.json";
/// The records of one prompt.
pub(crate) const RECORDS: &str = "candidates.jsonl";
/// The best picture of one prompt.
pub(crate) const BEST: &str = "best.png";
/// The pictures of an unfinished prompt.
pub(crate) const STAGE: &str = ".candidates";

/// The name of the picture at `rank` (from 1) of `count`: `01.png`, `007.png`.
pub(crate) fn ranked(rank: usize, count: usize) -> String {
    let width = count.to_string().len().max(2);
    format!("{rank:0width$}.png")
}

/// The name, relative to the prompt's folder, of the picture of an unfinished run.
pub(crate) fn staged(candidate: u32) -> String {
    format!("{STAGE}/{candidate:04}.png")
}

/// Whether the name is that of a picture of an unfinished run.
pub(crate) fn is_staged(name: &str) -> bool {
    name.strip_prefix(STAGE).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether [`ranked`] could have made the name.
pub(crate) fn is_ranked(name: &str) -> bool {
    name.strip_suffix(".png").is_some_and(|digits| digits.len() >= 2 && is_number(digits))
}

/// Whether the name is that of the folder of one of several prompts.
pub(crate) fn is_prompt_dir(name: &str) -> bool {
    is_number(name) && (name.len() == 1 || !name.starts_with('0'))
}

/// Whether the name is that of a file whose writing was cut short.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.strip_prefix('.')
        .and_then(|name| name.strip_suffix(".tmp"))
        .is_some_and(|name| [MANIFEST, RECORDS, BEST].contains(&name) || is_ranked(name))
}

/// The folder of the prompt at `index` of `count`: the run's own if it is the only one.
pub(crate) fn prompt_dir(run: &Path, index: usize, count: usize) -> PathBuf {
    if count > 1 { run.join(index.to_string()) } else { run.to_owned() }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_wide_as_the_count() {
        assert_eq!(ranked(1, 1), "01.png");
        assert_eq!(ranked(8, 99), "08.png");
        assert_eq!(ranked(8, 100), "008.png");
        assert_eq!(staged(3), ".candidates/0003.png");
        assert_eq!(staged(12_345), ".candidates/12345.png");
    }

    #[test]
    fn names_are_recognised() {
        assert!(is_ranked("01.png") && is_ranked("123.png"));
        for other in ["1.png", "x1.png", ".png", "01.jpg", "best.png", "01.png.bak", "-1.png"] {
            assert!(!is_ranked(other), "{other}");
        }
        assert!(is_staged(".candidates/0001.png") && !is_staged(".candidates2/x.png"));
        assert!(is_prompt_dir("0") && is_prompt_dir("10"));
        assert!(!is_prompt_dir("01") && !is_prompt_dir("") && !is_prompt_dir("a"));
        assert!(is_temporary(".01.png.tmp") && is_temporary(".run.json.tmp"));
        assert!(!is_temporary(".mine.tmp") && !is_temporary(".lock"));
    }

    #[test]
    fn a_single_prompt_has_no_folder_of_its_own() {
        assert_eq!(prompt_dir(Path::new("out"), 0, 1), Path::new("out"));
        assert_eq!(prompt_dir(Path::new("out"), 10, 11), Path::new("out/10"));
    }
}
