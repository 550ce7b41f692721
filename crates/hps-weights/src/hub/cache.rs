//! The folder layout shared with other programs that use the hub.
//!
//! ```text
//! <cache>/.locks/models--owner--name/<etag>.lock
//! <cache>/models--owner--name/blobs/<etag>                the bytes
//! <cache>/models--owner--name/blobs/<etag>.incomplete     a download that was cut short
//! <cache>/models--owner--name/refs/<revision>             the commit of a branch or tag
//! <cache>/models--owner--name/snapshots/<commit>/<file>   a link to ../../blobs/<etag>
//! ```
//!
//! Source: <https://huggingface.co/docs/hub/local-cache>.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hps_core::Result;

use super::failure::write_error;
use super::names;
use crate::registry::FileEntry;

/// One repository's part of the cache. Nothing is created before it is needed.
#[derive(Clone, Debug)]
pub(super) struct RepoCache {
    folder: PathBuf,
    locks: PathBuf,
}

impl RepoCache {
    /// The part of the cache for a repository, whose name has been checked.
    pub(super) fn new(cache_dir: &Path, repo: &str) -> Self {
        let name = format!("models--{}", repo.replace('/', "--"));
        RepoCache { folder: cache_dir.join(&name), locks: cache_dir.join(".locks").join(name) }
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Where a download grows. With a lock the name is shared, so that the next
    /// process goes on where this one stopped; without, nobody else may write to it.
    pub(super) fn partial(&self, etag: &str, locked: bool) -> PathBuf {
        let name = match locked {
            true => format!("{etag}.incomplete"),
            false => format!("{etag}.{}.incomplete", std::process::id()),
        };
        self.folder.join("blobs").join(name)
    }

    pub(super) fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    pub(super) fn pointer(&self, commit: &str, file: &str) -> PathBuf {
        self.snapshot(commit).join(names::local_path(file))
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(names::local_path(revision))
    }

    /// The commit that a revision stood for when it was last seen.
    pub(super) fn commit_of(&self, revision: &str) -> Option<String> {
        if names::is_commit(revision) {
            return Some(revision.to_owned());
        }
        let commit = fs::read_to_string(self.reference(revision)).ok()?;
        let commit = commit.trim();
        names::is_plain(commit).then(|| commit.to_owned())
    }

    /// Whether a file is there with the length that is known of it. A link whose
    /// blob was deleted counts as missing.
    pub(super) fn has(&self, commit: &str, file: &FileEntry<'_>) -> bool {
        fs::metadata(self.pointer(commit, file.path)).is_ok_and(|metadata| {
            metadata.is_file() && file.size.is_none_or(|size| size == metadata.len())
        })
    }

    /// The snapshot folder of a revision, if it has all `files`.
    pub(super) fn complete(&self, revision: &str, files: &[FileEntry<'_>]) -> Option<PathBuf> {
        let commit = self.commit_of(revision)?;
        files.iter().all(|file| self.has(&commit, file)).then(|| self.snapshot(&commit))
    }

    /// The paths of all files of a snapshot, sorted; none if there is no such snapshot.
    pub(super) fn files(&self, commit: &str) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![(self.snapshot(commit), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = format!("{prefix}{name}");
                // Only real folders are entered: a link could lead in a circle.
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push((entry.path(), path + "/")),
                    _ if entry.path().is_file() => files.push(path),
                    _ => {}
                }
            }
        }
        files.sort();
        files
    }

    /// Makes the blob of `etag` appear as `file` in a snapshot.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](hps_core::ErrorKind::Io) if the cache cannot be written to.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<PathBuf> {
        let pointer = self.pointer(commit, file);
        let blob = self.blob(etag);
        create_parent(&pointer)?;
        // Renaming replaces what is there in one step: nobody sees half a file.
        let temporary = with_suffix(&pointer, &format!(".{}.new", std::process::id()));
        remove_if_present(&temporary)?;
        let up = "../".repeat(names::local_path(file).components().count() + 1);
        let target = PathBuf::from(format!("{up}blobs/{etag}"));
        symlink(&target, &temporary)
            .or_else(|_| fs::hard_link(&blob, &temporary))
            .or_else(|_| fs::copy(&blob, &temporary).map(|_| ()))
            .and_then(|()| fs::rename(&temporary, &pointer))
            .map_err(|error| write_error(&pointer, error))?;
        Ok(pointer)
    }

    /// Notes which commit a branch or tag stands for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](hps_core::ErrorKind::Io) if the cache cannot be written to.
    pub(super) fn remember(&self, revision: &str, commit: &str) -> Result<()> {
        if self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.reference(revision);
        create_parent(&path)?;
        let temporary = with_suffix(&path, &format!(".{}.new", std::process::id()));
        fs::write(&temporary, commit)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| write_error(&path, error))
    }

    /// The blob behind a file of a snapshot and its entity tag, where the file is a link.
    pub(super) fn blob_of(&self, pointer: &Path) -> Option<(PathBuf, String)> {
        let target = fs::read_link(pointer).ok()?;
        let etag = target.file_name()?.to_str()?.to_owned();
        Some((self.blob(&etag), etag))
    }
}

/// Creates the folder that `path` lies in.
///
/// # Errors
///
/// [`ErrorKind::Io`](hps_core::ErrorKind::Io) if that fails.
pub(super) fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(|error| write_error(parent, error)),
        None => Ok(()),
    }
}

/// Removes a file or link that may not exist.
///
/// # Errors
///
/// [`ErrorKind::Io`](hps_core::ErrorKind::Io) if it exists and stays.
pub(super) fn remove_if_present(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_error(path, error)),
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    let target: PathBuf = target.components().collect();
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_target: &Path, _link: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn links_lead_to_the_blob_from_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        let cache = RepoCache::new(dir.path(), "o/n");
        fs::create_dir_all(cache.blob("e").parent().unwrap()).unwrap();
        fs::write(cache.blob("e"), "bytes").unwrap();
        for file in ["f.bin", "unet/f.bin", "a/b/c/f.bin"] {
            let pointer = cache.link("c", file, "e").unwrap();
            assert_eq!(fs::read_to_string(&pointer).unwrap(), "bytes", "{file}");
            assert!(pointer.starts_with(dir.path().join("models--o--n/snapshots/c")));
        }
    }

    #[test]
    fn a_link_replaces_an_older_one() {
        let dir = tempfile::tempdir().unwrap();
        let cache = RepoCache::new(dir.path(), "o/n");
        fs::create_dir_all(cache.blob("e").parent().unwrap()).unwrap();
        fs::write(cache.blob("old"), "old").unwrap();
        fs::write(cache.blob("new"), "new").unwrap();
        cache.link("c", "f", "old").unwrap();
        let pointer = cache.link("c", "f", "new").unwrap();
        assert_eq!(fs::read_to_string(&pointer).unwrap(), "new");
        assert_eq!(fs::read_dir(pointer.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn references_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let cache = RepoCache::new(dir.path(), "o/n");
        assert_eq!(cache.commit_of("main"), None);
        cache.remember("main", "c1").unwrap();
        cache.remember("refs/pr/2", "c2").unwrap();
        cache.remember("main", "c3").unwrap();
        assert_eq!(cache.commit_of("main").as_deref(), Some("c3"));
        assert_eq!(cache.commit_of("refs/pr/2").as_deref(), Some("c2"));
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(cache.commit_of(commit).as_deref(), Some(commit));
    }

    #[test]
    fn a_damaged_reference_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = RepoCache::new(dir.path(), "o/n");
        for damaged in ["", "../../..", "/etc", "\0\0\0"] {
            cache.remember("main", "c1").unwrap();
            fs::write(cache.reference("main"), damaged).unwrap();
            assert_eq!(cache.commit_of("main"), None, "{damaged:?}");
        }
    }
}
