//! Which kind of weights file some bytes are. The file's name plays no part.

use std::fmt;

use hps_core::{Error, ErrorKind, Result};

/// A weights file format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A JSON header followed by raw tensors
    /// (<https://github.com/huggingface/safetensors>).
    SafeTensors,
    /// What `torch.save` writes since PyTorch 1.6: a zip archive with a pickle and one
    /// uncompressed entry for each storage.
    PyTorch,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::SafeTensors => "safetensors",
            Format::PyTorch => "PyTorch zip",
        })
    }
}

/// What the first bytes of a file look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sniffed {
    Weights(Format),
    /// Perhaps a pickle outside a zip archive: binary, or one of the old text forms, which start
    /// like ordinary text.
    BarePickle,
}

/// Recognises a format from content.
///
/// # Errors
///
/// [`ErrorKind::InvalidWeights`] for everything that is not a weights file, with a guess at
/// what it is instead.
pub(crate) fn sniff(name: &str, bytes: &[u8]) -> Result<Sniffed> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Ok(Sniffed::Weights(Format::PyTorch));
    }
    // A header has less than 4 GiB (the format allows 100 MB), so the upper half of its length is
    // zero. This keeps text files that have a brace there out.
    if bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4]) {
        return Ok(Sniffed::Weights(Format::SafeTensors));
    }
    if matches!(bytes, [0x80, 0..=5, ..] | [b'(' | b'c', ..]) {
        return Ok(Sniffed::BarePickle);
    }
    Err(not_weights(name, bytes))
}

/// The error for a file of another kind, with a guess at what it is.
pub(crate) fn not_weights(name: &str, bytes: &[u8]) -> Error {
    let (what, hint) = describe_other(bytes);
    Error::new(ErrorKind::InvalidWeights, format!("{name} is not a weights file: {what}"))
        .with_hint(hint)
}

fn describe_other(bytes: &[u8]) -> (&'static str, &'static str) {
    let head = bytes.get(..256).unwrap_or(bytes).to_ascii_lowercase();
    let contains = |part: &[u8]| head.windows(part.len()).any(|window| window == part);
    if bytes.is_empty() {
        ("it is empty", "Download or copy it again.")
    } else if head.starts_with(b"version https://git-lfs") {
        (
            "it is a Git LFS pointer, not the file itself",
            "Run `git lfs pull` in that repository, or download the file from its page.",
        )
    } else if contains(b"<html") || contains(b"<!doctype") {
        (
            "it is a web page",
            "A browser or script saved a page instead of the file; download it again.",
        )
    } else if bytes.len() < 9 {
        ("it has fewer than 9 bytes", "Download or copy it again.")
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        ("it is compressed with gzip", "Unpack it first.")
    } else if bytes.starts_with(b"GGUF") {
        ("it is a GGUF file", "Use the model's .safetensors or .pt file.")
    } else {
        (
            "it starts neither like safetensors nor like a PyTorch zip",
            "Weights are .safetensors files, or .pt, .pth and .bin files written by torch.save.",
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn content_decides() {
        let zip = Sniffed::Weights(Format::PyTorch);
        assert_eq!(sniff("x", b"PK\x03\x04rest").unwrap(), zip);
        let tensors = Sniffed::Weights(Format::SafeTensors);
        assert_eq!(sniff("x", b"\x02\0\0\0\0\0\0\0{}").unwrap(), tensors);
        assert_eq!(sniff("x", b"\x80\x02}q\0.").unwrap(), Sniffed::BarePickle);
        assert_eq!(sniff("x", b"cos\nsystem\n").unwrap(), Sniffed::BarePickle);
    }

    #[test]
    fn other_content_is_named() {
        let cases: [(&[u8], &str); 5] = [
            (b"", "empty"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (b"<!DOCTYPE html><html>", "web page"),
            (b"\x1f\x8b\x08 and more bytes", "gzip"),
            (b"hello, world", "neither"),
        ];
        for (bytes, part) in cases {
            let error = sniff("a.pt", bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidWeights);
            assert!(error.message().contains(part), "{}", error.message());
            assert!(error.message().contains("a.pt") && error.hint().is_some());
        }
    }
}
