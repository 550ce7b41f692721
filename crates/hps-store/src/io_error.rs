//! Errors of the file system as this project's errors.

use std::io;
use std::path::Path;

use hps_core::{Error, ErrorKind};

/// An error that says what could not be done with which file, and why.
///
/// `action` is a verb in its base form, such as `write`.
pub(crate) fn io_error(action: &str, path: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Io,
    };
    let hint = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("What was finished is kept: free some space, then resume.")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Some("Choose a folder that can be written to.")
        }
        _ => None,
    };
    let error = Error::new(kind, format!("cannot {action} {}: {source}", path.display()))
        .with_source(source);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_its_path() {
        let source = io::Error::from(io::ErrorKind::StorageFull);
        let error = io_error("write", Path::new("out/01.png"), source);
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().starts_with("cannot write out/01.png: "), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("resume")));
    }
}
