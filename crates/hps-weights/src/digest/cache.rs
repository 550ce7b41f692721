//! Remembering digests of files that have not changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use hps_core::Result;
use serde::{Deserialize, Serialize};

use super::{Digest, file};
use crate::source::open_error;

/// Digests by path, valid while a file's size, modification time and inode stay the same.
///
/// The cache is a JSON file. A missing, damaged or foreign file is an empty cache; one that cannot
/// be written is logged and otherwise ignored. Writing replaces the file in one step, so readers
/// never see half of it; of two processes that write at once, the later wins and the loser's
/// digests are computed again some day.
#[derive(Debug)]
pub struct DigestCache {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    identity: Identity,
    sha256: Digest,
}

/// What changes when a file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    size: u64,
    /// Seconds and nanoseconds since 1970.
    mtime: (u64, u32),
    /// 0 where the system has none.
    inode: u64,
}

impl DigestCache {
    /// Reads the cache at `path`, which need not exist.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let entries = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        DigestCache { path, entries: entries.unwrap_or_default() }
    }

    /// The digest of the file at `path`, from the cache if the file is unchanged; else computed
    /// and written to the cache.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::NotFound`] and [`hps_core::ErrorKind::Io`] when the file cannot be
    /// read.
    pub fn file(&mut self, path: &Path) -> Result<Digest> {
        let before = Identity::of(path)?;
        let key = fs::canonicalize(path).ok().and_then(|path| Some(path.to_str()?.to_owned()));
        let known = key.as_ref().and_then(|key| self.entries.get(key));
        if let Some(entry) = known
            && entry.identity == before
        {
            return Ok(entry.sha256);
        }
        let sha256 = file(path)?;
        // A file that changed meanwhile must be read again next time.
        if let Some(key) = key
            && Identity::of(path)? == before
        {
            self.entries.insert(key, Entry { identity: before, sha256 });
            self.save();
        }
        Ok(sha256)
    }

    fn save(&self) {
        if let Err(error) = self.try_save() {
            let path = self.path.display();
            tracing::warn!(%path, %error, "cannot write the digest cache");
        }
    }

    fn try_save(&self) -> std::io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
        }
        // Several digests of one process end at about the same time: one after the
        // other, each keeping what the others have found.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = DigestCache::open(&self.path).entries;
        entries.extend(self.entries.clone());
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(format!(".{}.tmp", std::process::id()));
        fs::write(&temporary, serde_json::to_vec_pretty(&entries)?)?;
        fs::rename(&temporary, &self.path).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }
}

impl Identity {
    fn of(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| open_error(path, error))?;
        let mtime = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mtime = mtime.unwrap_or_default();
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        let mtime = (mtime.as_secs(), mtime.subsec_nanos());
        Ok(Identity { size: metadata.len(), mtime, inode })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::digest::bytes;

    fn set_mtime(path: &Path, seconds: u64) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn unchanged_files_are_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, cache) = (dir.path().join("w"), dir.path().join("deep/cache.json"));
        fs::write(&path, b"abc").unwrap();
        set_mtime(&path, 1000);
        assert_eq!(DigestCache::open(&cache).file(&path).unwrap(), bytes(b"abc"));
        // The same size and time in the same inode: only the cache can still say "abc".
        fs::write(&path, b"xyz").unwrap();
        set_mtime(&path, 1000);
        assert_eq!(DigestCache::open(&cache).file(&path).unwrap(), bytes(b"abc"));
        set_mtime(&path, 1001);
        assert_eq!(DigestCache::open(&cache).file(&path).unwrap(), bytes(b"xyz"));
        fs::write(&path, b"longer").unwrap();
        set_mtime(&path, 1001);
        assert_eq!(DigestCache::open(&cache).file(&path).unwrap(), bytes(b"longer"));
        assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 1, "no temporary file");
    }

    #[test]
    fn damaged_caches_are_empty_caches() {
        let dir = tempfile::tempdir().unwrap();
        let (path, cache) = (dir.path().join("w"), dir.path().join("cache.json"));
        fs::write(&path, b"abc").unwrap();
        for content in ["", "{", "[1]", r#"{"a":{"size":1}}"#, "\u{0}"] {
            fs::write(&cache, content).unwrap();
            assert_eq!(DigestCache::open(&cache).file(&path).unwrap(), bytes(b"abc"));
            assert_eq!(DigestCache::open(&cache).entries.len(), 1);
        }
        // A folder stands where the cache should be: it cannot be written.
        let blocked = dir.path().join("blocked");
        fs::create_dir(&blocked).unwrap();
        assert_eq!(DigestCache::open(&blocked).file(&path).unwrap(), bytes(b"abc"));
        assert!(DigestCache::open(&cache).file(&dir.path().join("none")).is_err());
    }
}
