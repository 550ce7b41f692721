//! A file of comparisons.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use hps_core::{Error, ErrorKind, Result};
use serde::Serialize;

use super::comparison::Comparison;
use super::elements::Elements;
use super::format::Format;
use super::generator_name;
use super::intern::Interner;
use super::item::Fields;

/// The usable items of a file, and what is wrong with the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The format of the file.
    pub format: Format,
    /// How many items the file has, broken ones included.
    pub items: usize,
    /// The usable items in file order; their ids are unique.
    pub comparisons: Vec<Comparison>,
    /// The items that are skipped, in file order.
    pub broken: Vec<BrokenItem>,
    /// How many of these have the id of an earlier item.
    pub duplicate_ids: usize,
}

/// An item that is skipped. Nothing takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenItem {
    /// The item's index in the file, from 0; blank lines do not count.
    pub index: usize,
    /// The item's id, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// How [`read`] reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// The format; by default that of the first item which has the keys of one.
    pub format: Option<Format>,
}

/// Reads a file of comparisons.
///
/// The file is read as a stream: only the comparisons are kept, with equal texts
/// shared (about 200 MB for the 645,000 pairs of HPD v2).
///
/// # Errors
///
/// [`ErrorKind::NotFound`] or [`ErrorKind::Io`] when the file cannot be read,
/// [`ErrorKind::InvalidInput`] when it is empty, not JSON, cut off, or no item has
/// the keys of a known format. Single broken items are no error.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Dataset> {
    let unreadable = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot read {}", path.display())).with_source(error)
    };
    let file = File::open(path).map_err(unreadable)?;
    Dataset::from_reader(
        BufReader::with_capacity(1 << 18, file),
        &path.display().to_string(),
        options,
    )
}

impl Dataset {
    /// Reads comparisons from anywhere; `name` stands for the input in errors.
    ///
    /// # Errors
    ///
    /// Those of [`read`].
    pub fn from_reader(reader: impl BufRead, name: &str, options: &ReadOptions) -> Result<Self> {
        let mut elements = Elements::new(reader, name)?;
        let mut items = Items { format: options.format, ..Items::default() };
        while let Some(bytes) = elements.next()? {
            items.add(bytes);
        }
        items.finish(name)
    }
}

/// Items as they are read.
#[derive(Default)]
struct Items {
    format: Option<Format>,
    count: usize,
    comparisons: Vec<Comparison>,
    broken: Vec<BrokenItem>,
    duplicate_ids: usize,
    texts: Interner,
    ids: HashSet<Arc<str>>,
}

impl Items {
    fn add(&mut self, bytes: &[u8]) {
        let index = self.count;
        self.count += 1;
        let mut id = None;
        match self.comparison(index, bytes, &mut id) {
            Ok(comparison) => {
                self.ids.insert(Arc::clone(&comparison.id));
                self.comparisons.push(comparison);
            }
            Err(reason) => self.broken.push(BrokenItem { index, id, reason }),
        }
    }

    fn comparison(
        &mut self,
        index: usize,
        bytes: &[u8],
        id: &mut Option<String>,
    ) -> Result<Comparison, String> {
        let fields = Fields::parse(bytes)?;
        id.clone_from(&fields.id()?);
        let known = self.format.or_else(|| fields.format());
        let format = known.ok_or("no list of images that any format has")?;
        // Where the format is not given, the first item with one decides.
        self.format = known;
        let name = id.clone().unwrap_or_else(|| index.to_string());
        if self.ids.contains(name.as_str()) {
            self.duplicate_ids += 1;
            return Err(format!("an earlier item has the id '{name}'"));
        }
        fields.comparison(name.into(), format, &mut self.texts)
    }

    fn finish(mut self, name: &str) -> Result<Dataset> {
        let invalid = |message| Error::new(ErrorKind::InvalidInput, message);
        if self.count == 0 {
            return Err(invalid(format!("{name} has no items")));
        }
        let Some(format) = self.format else {
            return Err(invalid(format!("{name} has no item of a known format")).with_hint(
                "Items have a prompt, images and their label or rank, such as \
                 {\"prompt\": \"a fox\", \"images\": [\"a.png\", \"b.png\"], \"label\": [1, 0]}.",
            ));
        };
        self.comparisons.shrink_to_fit();
        generator_name::fill_in(&mut self.comparisons, &mut self.texts);
        let (usable, broken) = (self.comparisons.len(), self.broken.len());
        tracing::debug!(name, %format, usable, broken, "read comparisons");
        Ok(Dataset {
            format,
            items: self.count,
            comparisons: self.comparisons,
            broken: self.broken,
            duplicate_ids: self.duplicate_ids,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn dataset(text: &str) -> Result<Dataset> {
        Dataset::from_reader(text.as_bytes(), "x.json", &ReadOptions::default())
    }

    const GOOD: &str = r#"{"prompt": "p", "images": ["a", "b"], "label": [1, 0]}"#;

    #[test]
    fn broken_items_are_skipped_and_counted() {
        let text = format!(
            "[{GOOD}, 7, {{\"id\": \"x\", \"prompt\": \"p\", \"images\": [\"a\"], \"label\": [NaN]}},\
             {{\"id\": \"x\", \"prompt\": \"p\", \"images\": [\"a\"], \"label\": []}}, {GOOD}]"
        );
        let data = dataset(&text).unwrap();
        assert_eq!((data.format, data.items), (Format::Plain, 5));
        let ids: Vec<&str> = data.comparisons.iter().map(|c| &*c.id).collect();
        assert_eq!(ids, ["0", "4"]);
        let broken: Vec<(usize, Option<&str>)> =
            data.broken.iter().map(|b| (b.index, b.id.as_deref())).collect();
        assert_eq!(broken, [(1, None), (2, None), (3, Some("x"))]);
        assert_eq!(data.broken[2].reason, "label has length 0 for 1 image");
    }

    #[test]
    fn ids_are_unique() {
        let with = |id: &str| GOOD.replacen('{', &format!("{{\"id\": {id}, "), 1);
        // The second item without an id would be called 2, as the first is.
        let lines = [with("2"), with("\"a\""), GOOD.to_owned(), with("\"a\""), with("true")];
        let data = dataset(&lines.join("\n")).unwrap();
        let ids: Vec<&str> = data.comparisons.iter().map(|c| &*c.id).collect();
        assert_eq!(ids, ["2", "a"]);
        assert_eq!(data.duplicate_ids, 2);
        let reasons: Vec<&str> = data.broken.iter().map(|b| b.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "an earlier item has the id '2'",
                "an earlier item has the id 'a'",
                "id is neither a text nor a whole number"
            ]
        );
    }

    #[test]
    fn the_format_is_that_of_the_first_item_with_one() {
        let train = r#"{"prompt": "p", "file_path": ["a", "b"], "human_preference": [1, 0]}"#;
        let data = dataset(&format!("{{}}\n{train}\n{GOOD}")).unwrap();
        assert_eq!(data.format, Format::HpdTrain);
        assert_eq!(data.comparisons.len(), 1);
        assert_eq!(data.broken[1].reason, "no file_path");
        let options = ReadOptions { format: Some(Format::Plain) };
        let data = Dataset::from_reader(train.as_bytes(), "x", &options).unwrap();
        assert_eq!(data.broken[0].reason, "no images");
    }

    #[test]
    fn files_without_items_are_refused() {
        assert_eq!(dataset("[]").unwrap_err().message(), "x.json has no items");
        assert_eq!(dataset("{}").unwrap_err().message(), "x.json has no item of a known format");
        let missing = read(Path::new("no/such.json"), &ReadOptions::default()).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn equal_texts_are_shared() {
        let data = dataset(&format!("{GOOD}\n{GOOD}")).unwrap();
        let [a, b] = &data.comparisons[..] else { panic!("{data:?}") };
        assert!(Arc::ptr_eq(&a.images[0], &b.images[0]));
        assert!(std::ptr::eq(a.prompt.as_str(), b.prompt.as_str()));
    }
}
