//! Settings in a TOML file.

use std::path::Path;

use hps_core::{Error, ErrorKind, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::Layer;
use super::leaf::{Leaf, expected};
use super::origin::Origin;
use super::schema::{self, Key, Kind};
use super::suggest::unknown_key;

/// The settings in `text`.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] with file and line for text that is no TOML, for
/// unknown keys and for values of a wrong type.
pub(super) fn parse(text: &str, origin: &Origin) -> Result<Layer> {
    let source = Source { text, name: origin.to_string() };
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| source.line(span.start));
        Error::new(
            ErrorKind::InvalidConfig,
            format!("{} line {line}: {}", source.name, error.message()),
        )
    })?;
    let mut layer = Layer::new(origin.clone());
    for (name, value) in table.get_ref() {
        let place = source.place(name.span().start);
        if let Some(key) = schema::find("", name.get_ref()) {
            source.read_value(&mut layer, key, value)?;
        } else if schema::is_table(name.get_ref()) {
            source.read_table(&mut layer, name.get_ref(), value)?;
        } else {
            return Err(unknown_key(&place, "", name.get_ref()));
        }
    }
    Ok(layer)
}

/// A file's text and name.
struct Source<'a> {
    text: &'a str,
    name: String,
}

impl Source<'_> {
    /// The line of a byte, from 1.
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|&&byte| byte == b'\n').count()
    }

    fn place(&self, offset: usize) -> String {
        format!("{} line {}", self.name, self.line(offset))
    }

    fn read_table(
        &self,
        layer: &mut Layer,
        table: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<()> {
        let DeValue::Table(entries) = value.get_ref() else {
            return Err(self.wrong_type(value, table, "a table"));
        };
        for (name, value) in entries {
            let Some(key) = schema::find(table, name.get_ref()) else {
                let place = self.place(name.span().start);
                return Err(unknown_key(&place, table, name.get_ref()));
            };
            self.read_value(layer, key, value)?;
        }
        Ok(())
    }

    fn read_value(
        &self,
        layer: &mut Layer,
        key: &'static Key,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<()> {
        if key.kind != Kind::Map {
            let leaf = self.read_leaf(&key.dotted(), key.kind, value)?;
            layer.set(key, leaf);
            return Ok(());
        }
        let DeValue::Table(entries) = value.get_ref() else {
            return Err(self.wrong_type(value, &key.dotted(), &expected(key.kind)));
        };
        for (id, value) in entries {
            let leaf = self.read_leaf(&key.entry(id.get_ref()), Kind::Text, value)?;
            layer.set_entry(key, id.get_ref(), leaf);
        }
        Ok(())
    }

    fn read_leaf(&self, dotted: &str, kind: Kind, value: &Spanned<DeValue<'_>>) -> Result<Leaf> {
        leaf(value.get_ref())
            .ok_or_else(|| expected(kind))
            .and_then(|leaf| leaf.checked(kind))
            .map_err(|expected| self.wrong_type(value, dotted, &expected))
    }

    fn wrong_type(&self, value: &Spanned<DeValue<'_>>, dotted: &str, expected: &str) -> Error {
        let span = value.span();
        let shown = match value.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            _ => self.text.get(span.clone()).unwrap_or_default().to_owned(),
        };
        let place = self.place(span.start);
        Error::new(
            ErrorKind::InvalidConfig,
            format!("{place}: '{dotted}' is {shown}; expected {expected}"),
        )
    }
}

/// The value, unless no key could accept it.
fn leaf(value: &DeValue<'_>) -> Option<Leaf> {
    match value {
        DeValue::String(text) => Some(Leaf::Text(text.clone().into_owned())),
        DeValue::Integer(value) => {
            u64::from_str_radix(value.as_str(), value.radix()).ok().map(Leaf::Integer)
        }
        DeValue::Float(value) => value.as_str().parse().ok().map(Leaf::Number),
        DeValue::Boolean(value) => Some(Leaf::Boolean(*value)),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// The text of a file.
///
/// # Errors
///
/// [`ErrorKind::NotFound`], [`ErrorKind::Io`], or [`ErrorKind::InvalidConfig`] if it
/// is not UTF-8.
pub(super) fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot read {}: {error}", path.display())).with_source(error)
    })?;
    String::from_utf8(bytes).map_err(|_| {
        Error::new(ErrorKind::InvalidConfig, format!("{} is not UTF-8", path.display()))
    })
}
