//! SHA-256 of weights: which model a score or picture came from.
//!
//! The digest of a model in several files is the SHA-256 of one line `name<TAB>digest<LF>` for
//! each weight and configuration file, sorted by name. It does not depend on where the folder is,
//! on other files in it, or on whether it is on disk or built into the program.

mod cache;
mod folder;
mod task;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use hps_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

pub use cache::DigestCache;
pub use folder::{model, model_cached};
pub use task::DigestTask;

use crate::source::open_error;

/// Bytes hashed at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// A SHA-256 digest, shown and parsed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let what = format!("'{text}' is no SHA-256 digest");
            Error::new(ErrorKind::InvalidInput, what).with_hint("It has 64 hexadecimal digits.")
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(wrong());
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16).ok_or_else(wrong);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Digest(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// The digest of some bytes.
pub fn bytes(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

/// The digest of the file at `path`, read once from start to end.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] and [`ErrorKind::Io`] when the file cannot be read.
pub fn file(path: impl AsRef<Path>) -> Result<Digest> {
    let path = path.as_ref();
    let fail = |error| open_error(path, error);
    let mut file = File::open(path).map_err(fail)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest(hasher.finalize().into())),
            Ok(length) => hasher.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // FIPS 180-4 example values.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const MILLION_A: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

    #[test]
    fn known_digests() {
        assert_eq!(bytes(b"abc").to_string(), ABC);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, vec![b'a'; 1_000_000]).unwrap();
        assert_eq!(file(&path).unwrap().to_string(), MILLION_A);
        let error = file(dir.path().join("b")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn text_round_trip() {
        let digest: Digest = ABC.to_uppercase().parse().unwrap();
        assert_eq!(digest, bytes(b"abc"));
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        for wrong in ["", "ba78", &ABC[1..], &format!("{ABC}0"), &ABC.replace('b', "g")] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
