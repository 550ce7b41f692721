//! The items of a JSON array or of JSON lines, one by one as bytes.
//!
//! A JSON parser that reads a whole array stops for good at the first `NaN` or
//! missing quote. This one only looks for the end of each item, so that one broken
//! item is one broken item, and holds no more than one of them in memory.

use std::io::{self, BufRead};

use hps_core::{Error, ErrorKind, Result};

/// No item of the formats comes near it; without a bound, a missing quote would
/// pull the rest of the file into memory.
const MAX_ITEM_BYTES: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Array,
    Lines,
    /// The array has been closed.
    End,
}

/// Reads items one after the other.
pub(super) struct Elements<R> {
    reader: R,
    /// What errors call the input.
    name: String,
    layout: Layout,
    item: Vec<u8>,
    /// Items handed out so far.
    count: usize,
}

impl<R: BufRead> Elements<R> {
    /// Looks at the first byte that is no white space: `[` begins an array, `{` lines.
    pub(super) fn new(mut reader: R, name: &str) -> Result<Self> {
        let failed = |error| unreadable(name, error);
        skip_byte_order_mark(&mut reader).map_err(failed)?;
        let layout = match skip_space(&mut reader).map_err(failed)? {
            Some(b'[') => {
                reader.consume(1);
                Layout::Array
            }
            Some(b'{') => Layout::Lines,
            Some(_) => {
                return Err(invalid(format!("{name} is not JSON"))
                    .with_hint("Preference data is one JSON array, or one JSON object a line."));
            }
            None => return Err(invalid(format!("{name} is empty"))),
        };
        Ok(Elements { reader, name: name.to_owned(), layout, item: Vec::new(), count: 0 })
    }

    /// The bytes of the next item, which need not be JSON; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, an array has no end, or an item none in sight.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        self.item.clear();
        let found = match self.layout {
            Layout::Array => self.next_of_array()?,
            Layout::Lines => self.next_line()?,
            Layout::End => false,
        };
        self.count += usize::from(found);
        Ok(found.then_some(&self.item[..]))
    }

    fn next_line(&mut self) -> Result<bool> {
        loop {
            self.item.clear();
            let mut limited = io::Read::take(&mut self.reader, MAX_ITEM_BYTES as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.item);
            if read.map_err(|error| unreadable(&self.name, error))? == 0 {
                return Ok(false);
            }
            self.check_size()?;
            if !self.item.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn next_of_array(&mut self) -> Result<bool> {
        let mut scan = Scan::default();
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok([]) => return Err(self.cut_off()),
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&self.name, error)),
            };
            let end = buffer.iter().position(|&byte| scan.ends_at(byte));
            let taken = end.unwrap_or(buffer.len());
            self.item.extend_from_slice(&buffer[..taken]);
            let closing = end.and_then(|end| buffer.get(end)).copied();
            self.reader.consume(taken + usize::from(closing.is_some()));
            self.check_size()?;
            match closing {
                Some(b']') => {
                    self.layout = Layout::End;
                    self.check_nothing_follows()?;
                    // Only an array without items may have nothing before its end.
                    let empty = self.count == 0 && self.item.trim_ascii().is_empty();
                    return Ok(!empty);
                }
                Some(_) => return Ok(true),
                None => {}
            }
        }
    }

    fn check_size(&self) -> Result<()> {
        if self.item.len() <= MAX_ITEM_BYTES {
            return Ok(());
        }
        let (name, count) = (&self.name, self.count);
        let message = format!("{name}: item {count} has more than {MAX_ITEM_BYTES} bytes");
        Err(invalid(message).with_hint("A quotation mark or a bracket may be missing there."))
    }

    fn check_nothing_follows(&mut self) -> Result<()> {
        match skip_space(&mut self.reader).map_err(|error| unreadable(&self.name, error))? {
            None => Ok(()),
            Some(_) => {
                let (name, count) = (&self.name, self.count);
                let message = format!("{name}: something follows the end of the array");
                Err(invalid(message).with_hint(format!(
                    "A closing bracket too many may stand at about item {count}."
                )))
            }
        }
    }

    fn cut_off(&self) -> Error {
        invalid(format!("{} ends in the middle of item {}", self.name, self.count))
            .with_hint("The file may be cut off; fetch it again.")
    }
}

/// Where a scan over the bytes of an item stands.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    /// Whether `byte` stands right behind the item.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b',' | b']' if self.depth == 0 => return true,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}

/// Windows editors put one in front.
fn skip_byte_order_mark(reader: &mut impl BufRead) -> io::Result<()> {
    for byte in *b"\xef\xbb\xbf" {
        if reader.fill_buf()?.first() != Some(&byte) {
            break;
        }
        reader.consume(1);
    }
    Ok(())
}

/// Skips white space and returns the byte after it without taking it.
fn skip_space(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = match reader.fill_buf() {
            Ok([]) => return Ok(None),
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let space = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let found = buffer.get(space).copied();
        reader.consume(space);
        if found.is_some() {
            return Ok(found);
        }
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

fn unreadable(name: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot read {name}")).with_source(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// All items, read through a buffer of `capacity` bytes.
    fn items(text: &str, capacity: usize) -> Result<Vec<String>> {
        let reader = BufReader::with_capacity(capacity, text.as_bytes());
        let mut elements = Elements::new(reader, "x.json")?;
        let mut items = Vec::new();
        while let Some(item) = elements.next()? {
            items.push(String::from_utf8_lossy(item.trim_ascii()).into_owned());
        }
        Ok(items)
    }

    fn message(text: &str) -> String {
        items(text, 8).unwrap_err().message().to_owned()
    }

    #[test]
    fn items_of_arrays_and_lines() {
        for capacity in [1, 2, 3, 7, 64] {
            let array = " \u{feff}"; // A byte order mark stands first or nowhere.
            assert!(items(array, capacity).is_err());
            let text = "\u{feff} [ {\"a\": \"],[\\\"\"} , [1, [2]],NaN, , \"x\"] \n";
            let expected = ["{\"a\": \"],[\\\"\"}", "[1, [2]]", "NaN", "", "\"x\""];
            assert_eq!(items(text, capacity).unwrap(), expected);
            assert_eq!(items("[]", capacity).unwrap(), [""; 0]);
            assert_eq!(items(" [ \n ] ", capacity).unwrap(), [""; 0]);
            let lines = "{\"a\": 1}\n\n  broken\r\n{\"b\": 2}";
            assert_eq!(items(lines, capacity).unwrap(), ["{\"a\": 1}", "broken", "{\"b\": 2}"]);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(message(""), "x.json is empty");
        assert_eq!(message(" \n\t"), "x.json is empty");
        assert_eq!(message("prompt,image"), "x.json is not JSON");
        assert_eq!(message("\"text\""), "x.json is not JSON");
        assert_eq!(message("[{}, {\"a\": 1"), "x.json ends in the middle of item 1");
        assert_eq!(message("[{}"), "x.json ends in the middle of item 0");
        assert_eq!(message("[{}]]"), "x.json: something follows the end of the array");
    }

    #[test]
    fn an_item_without_an_end_is_refused_before_memory_is() {
        let text = format!("[{{}}, \"{}", "x".repeat(MAX_ITEM_BYTES + 10));
        assert!(message(&text).starts_with("x.json: item 1 has more than"));
        let line = format!("{{}}\n{{{}", "x".repeat(MAX_ITEM_BYTES + 10));
        assert!(message(&line).starts_with("x.json: item 1 has more than"));
    }

    proptest! {
        #[test]
        fn arrays_split_as_json_does(values in proptest::collection::vec(".*", 0..6), capacity in 1..9usize) {
            let nested: Vec<serde_json::Value> =
                values.iter().map(|text| serde_json::json!({ "k": [text, { "]": text }] })).collect();
            let text = serde_json::to_string_pretty(&nested).unwrap();
            let found: Vec<serde_json::Value> = items(&text, capacity)
                .unwrap()
                .iter()
                .map(|item| serde_json::from_str(item).unwrap())
                .collect();
            prop_assert_eq!(found, nested);
        }
    }
}
