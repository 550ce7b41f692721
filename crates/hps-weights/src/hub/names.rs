//! Names that become parts of URLs and paths: checked before either is built.

use std::path::{Component, Path, PathBuf};

use hps_core::{Error, ErrorKind, Result};

/// A repository, revision and file in it, shown as people write them. An empty
/// file stands for the whole repository.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) repo: &'a str,
    pub(super) revision: &'a str,
    pub(super) file: &'a str,
}

impl std::fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.repo, self.revision)?;
        if self.file.is_empty() { Ok(()) } else { write!(f, "/{}", self.file) }
    }
}

/// Checks all three parts of `target`.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] for anything that could leave the cache folder or
/// that the hub does not allow as a name.
pub(super) fn check(target: Target<'_>) -> Result<()> {
    check_repository(target.repo, target.revision)?;
    check_file(target.file)
}

/// Like [`check`], without a file.
pub(super) fn check_repository(repo: &str, revision: &str) -> Result<()> {
    check_repo(repo)?;
    check_revision(revision)
}

fn check_repo(repo: &str) -> Result<()> {
    let parts: Vec<&str> = repo.split('/').collect();
    let allowed = |part: &&str| is_plain(part) && !part.contains("--") && !part.contains("..");
    if parts.len() > 2 || !parts.iter().all(allowed) {
        return Err(invalid("repository", repo, "It is owner/name, of letters, digits, '.-_'."));
    }
    Ok(())
}

fn check_revision(revision: &str) -> Result<()> {
    if !is_relative_path(revision) {
        return Err(invalid("revision", revision, "It is a branch, a tag or a commit."));
    }
    Ok(())
}

pub(super) fn check_file(file: &str) -> Result<()> {
    if !is_relative_path(file) {
        return Err(invalid(
            "file name",
            file,
            "It is a path inside the repository, without '..'.",
        ));
    }
    Ok(())
}

fn invalid(what: &str, value: &str, hint: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("'{value}' is no {what} on a model hub"))
        .with_hint(hint)
}

/// A name that is safe as one path component on every system. Besides
/// repositories this guards what servers send: entity tags and commits.
pub(super) fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=128).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(['.', '-'])
}

fn is_relative_path(path: &str) -> bool {
    let plain = |part: &str| {
        let mut components = Path::new(part).components();
        matches!(components.next(), Some(Component::Normal(_))) && components.next().is_none()
    };
    path.len() <= 1024
        && !path.contains('\\')
        && !path.chars().any(char::is_control)
        && path.split('/').all(plain)
}

/// Whether a revision is a full commit id, which never moves.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && is_hex(revision)
}

/// Whether an entity tag is a SHA-256, as it is for every large file.
pub(super) fn is_sha256(etag: &str) -> bool {
    etag.len() == 64 && is_hex(etag)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A repository path as a path of this system. The path has been checked.
pub(super) fn local_path(file: &str) -> PathBuf {
    file.split('/').collect()
}

/// Percent-encodes all but unreserved characters and those in `keep`.
pub(super) fn encode(text: &str, keep: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || keep.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target<'a>(repo: &'a str, revision: &'a str, file: &'a str) -> Target<'a> {
        Target { repo, revision, file }
    }

    #[test]
    fn usual_names_pass() {
        for (repo, revision, file) in [
            ("xswu/HPSv2", "main", "HPS_v2_compressed.pt"),
            ("gpt2", "refs/pr/2", "unet/diffusion_pytorch_model.fp16.safetensors"),
            ("a/b", "v1.0", "sac+logos ava1.pth"),
        ] {
            assert!(check(target(repo, revision, file)).is_ok(), "{repo} {revision} {file}");
        }
    }

    #[test]
    fn names_that_leave_the_cache_are_refused() {
        for repo in ["", "a", "a/b"] {
            assert_eq!(check(target(repo, "main", "f")).is_ok(), !repo.is_empty());
        }
        for repo in ["../x", "a/..", "a/b/c", "/a", "a/", "a--b/c", "a/b c", ".a/b", "a\\b"] {
            assert!(check(target(repo, "main", "f")).is_err(), "{repo}");
        }
        for path in
            ["", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", ".", "a\\..\\b", "a\0"]
        {
            assert!(check(target("a/b", "main", path)).is_err(), "file {path:?}");
            assert!(check(target("a/b", path, "f")).is_err(), "revision {path:?}");
        }
    }

    #[test]
    fn encoding() {
        assert_eq!(encode("refs/pr/2", ""), "refs%2Fpr%2F2");
        assert_eq!(encode("a b/sac+é?#", "/"), "a%20b/sac%2B%C3%A9%3F%23");
    }

    proptest! {
        #[test]
        fn accepted_files_stay_inside(path in "[a-z./\\\\~:]{0,12}") {
            if check_file(&path).is_ok() {
                let normal = |c: Component<'_>| matches!(c, Component::Normal(_));
                prop_assert!(local_path(&path).components().all(normal), "{path}");
            }
        }

        #[test]
        fn encoded_text_is_safe_in_a_url(text in ".{0,20}") {
            let safe = |b: u8| b.is_ascii_alphanumeric() || b"-._~%/".contains(&b);
            prop_assert!(encode(&text, "/").bytes().all(safe));
        }
    }
}
