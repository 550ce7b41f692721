//! Is a file what it should be?

use std::path::Path;

use hps_core::{Error, ErrorKind, Result};

use crate::digest::{self, Digest};

/// What is known about a file's content.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected<'a> {
    /// Bytes in the file.
    pub(super) size: Option<u64>,
    /// SHA-256 of the file in hexadecimal.
    pub(super) sha256: Option<&'a str>,
}

impl Expected<'_> {
    /// Checks the length of a file and, where a digest is known, its bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidWeights`] if they differ, [`ErrorKind::Io`] if the
    /// file cannot be read.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        self.check_size(length(path)?)?;
        match self.sha256 {
            Some(_) => self.check_digest(&digest::file(path)?),
            None => Ok(()),
        }
    }

    pub(super) fn check_size(&self, length: u64) -> Result<()> {
        match self.size {
            Some(size) if size != length => {
                Err(invalid(format!("there are {length} bytes and should be {size}")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_digest(&self, found: &Digest) -> Result<()> {
        match self.sha256 {
            Some(sha256) if !sha256.eq_ignore_ascii_case(&found.to_string()) => {
                Err(invalid(format!("the SHA-256 is {found} and should be {sha256}")))
            }
            _ => Ok(()),
        }
    }
}

/// Bytes in a file.
///
/// # Errors
///
/// [`ErrorKind::Io`] if that cannot be found out.
pub(super) fn length(path: &Path) -> Result<u64> {
    std::fs::metadata(path).map(|metadata| metadata.len()).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot read {}", path.display())).with_source(error)
    })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidWeights, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn size_and_digest_are_compared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "abc").unwrap();
        let check = |size, sha256: Option<&str>| {
            Expected { size, sha256 }.check(&path).map_err(|error| error.kind())
        };
        let abc = digest::bytes(b"abc").to_string();
        let (upper, other) = (abc.to_uppercase(), digest::bytes(b"abd").to_string());
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some(3), Some(&abc)), Ok(()));
        assert_eq!(check(None, Some(&upper)), Ok(()));
        assert_eq!(check(Some(4), Some(&abc)), Err(ErrorKind::InvalidWeights));
        assert_eq!(check(None, Some(&other)), Err(ErrorKind::InvalidWeights));
    }
}
