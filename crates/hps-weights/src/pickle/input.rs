//! Taking bytes, numbers and lines from a pickle.

use super::PickleError;

/// A position in a pickle.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0 }
    }

    /// Bytes taken so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// An error at the current position.
    pub(super) fn damaged(&self, what: impl Into<String>) -> PickleError {
        PickleError::Damaged { at: self.at, what: what.into() }
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let taken = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.damaged(format!("it ends within {length} bytes")))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let taken = self.take(N)?;
        taken.first_chunk().copied().ok_or_else(|| self.damaged("it ends within a number"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, PickleError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, PickleError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, PickleError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, PickleError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, PickleError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Skips an 8-byte big-endian float.
    pub(super) fn skip_f64(&mut self) -> Result<(), PickleError> {
        self.array::<8>().map(|_| ())
    }

    /// Bytes whose count stands before them in `width` little-endian bytes.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'a [u8], PickleError> {
        let count = self.take(width)?;
        let count = count.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        let count = usize::try_from(count).map_err(|_| self.damaged("an impossible length"))?;
        self.take(count)
    }

    /// Like [`Input::counted`], for UTF-8 text.
    pub(super) fn text(&mut self, width: usize) -> Result<&'a str, PickleError> {
        let bytes = self.counted(width)?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged("text that is not UTF-8"))
    }

    /// The text up to the next line feed, which is taken too.
    pub(super) fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| self.damaged("a line without end"))?;
        let line = self.take(length + 1)?.get(..length).unwrap_or_default();
        std::str::from_utf8(line).map_err(|_| self.damaged("text that is not UTF-8"))
    }

    /// A line that holds a whole number.
    pub(super) fn line_number<T: std::str::FromStr>(&mut self) -> Result<T, PickleError> {
        let line = self.line()?;
        line.trim_end_matches('L').parse().map_err(|_| self.damaged("a line that is no number"))
    }
}
