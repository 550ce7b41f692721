//! Reading pictures from disk.

use std::fs::File;
use std::io::{self, Read, Take};
use std::path::Path;

use hps_core::{Error, ErrorKind, Result};

use super::limits::MAX_FILE_BYTES;
use super::sniff::{Format, SNIFF_BYTES, format_of};
use super::{DecodeOptions, Decoded, decode};

/// Reads a picture from a file; messages of errors begin with the path.
///
/// A file that is no image is refused after its first bytes.
///
/// # Errors
///
/// [`ErrorKind::NotFound`], [`ErrorKind::Io`] for a folder or a file that may not
/// be read, and the errors of [`decode`].
pub fn decode_file(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Decoded> {
    let path = path.as_ref();
    read(path).and_then(|bytes| decode(&bytes, options)).map_err(|e| e.context(path.display()))
}

/// The format of a file by its first bytes; what comes after them is not looked at.
///
/// # Errors
///
/// Those of [`decode_file`] that the first bytes can show.
pub fn identify_file(path: impl AsRef<Path>) -> Result<Format> {
    let path = path.as_ref();
    let format = open(path).and_then(|file| format_of(&read_head(file)?.1));
    format.map_err(|error| error.context(path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let (mut file, mut bytes) = read_head(open(path)?)?;
    format_of(&bytes)?;
    file.set_limit((MAX_FILE_BYTES + 1).saturating_sub(SNIFF_BYTES as u64));
    file.read_to_end(&mut bytes).map_err(from_io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::new(
            ErrorKind::ImageTooLarge,
            format!("the file has more than {MAX_FILE_BYTES} bytes"),
        ));
    }
    Ok(bytes)
}

/// The first bytes of a file, and the file to go on with.
fn read_head(file: File) -> Result<(Take<File>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut file = file.take(SNIFF_BYTES as u64);
    file.read_to_end(&mut bytes).map_err(from_io)?;
    Ok((file, bytes))
}

fn open(path: &Path) -> Result<File> {
    let metadata = std::fs::metadata(path).map_err(from_io)?;
    if metadata.is_dir() {
        return Err(Error::new(ErrorKind::Io, "is a folder, not an image"));
    }
    if !metadata.is_file() {
        // Opening a pipe would wait for somebody who writes to it, perhaps forever.
        return Err(Error::new(ErrorKind::Io, "is a pipe or device, not a file"));
    }
    File::open(path).map_err(from_io)
}

fn from_io(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, "no such file"),
        io::ErrorKind::IsADirectory => Error::new(ErrorKind::Io, "is a folder, not an image"),
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Io, "permission denied").with_hint("Make the file readable.")
        }
        _ => Error::new(ErrorKind::Io, "cannot be read"),
    }
    .with_source(error)
}
