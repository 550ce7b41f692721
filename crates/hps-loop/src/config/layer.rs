//! The settings of one source.

use std::collections::BTreeMap;

use config::{ConfigError, Map, Source, Value, ValueKind};
use hps_core::{Error, ErrorKind, Result};

use super::leaf::Leaf;
use super::loader::{Override, Setting};
use super::origin::Origin;
use super::schema::{self, Key, Kind, PREFIX};
use super::suggest::{nearest, unknown_key};

/// Variables of this program that are no settings: the log filter, the names of a
/// configuration file and of a cache folder, and a secret.
const NO_SETTINGS: [&str; 4] =
    ["HPS_LOOP_LOG", "HPS_LOOP_CONFIG", "HPS_LOOP_CACHE", "HPS_LOOP_API_KEY"];

/// The settings of one source, all of known keys and right types.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    origin: Origin,
    /// Values by path: one name, or a table and a name in it.
    values: BTreeMap<Vec<String>, Leaf>,
    /// The same by dotted key.
    pub settings: BTreeMap<String, Setting>,
}

impl Layer {
    /// A layer without settings.
    pub fn new(origin: Origin) -> Layer {
        Layer { origin, values: BTreeMap::new(), settings: BTreeMap::new() }
    }

    /// Sets a key that is no map.
    pub fn set(&mut self, key: &Key, leaf: Leaf) {
        let path = [key.table, key.name].into_iter().filter(|part| !part.is_empty());
        self.insert(path.map(str::to_owned).collect(), key.dotted(), leaf);
    }

    /// Sets one entry of a map.
    pub fn set_entry(&mut self, key: &Key, id: &str, leaf: Leaf) {
        self.insert(vec![key.name.to_owned(), id.to_owned()], key.entry(id), leaf);
    }

    fn insert(&mut self, path: Vec<String>, dotted: String, leaf: Leaf) {
        let setting = Setting { value: leaf.clone(), origin: self.origin.clone() };
        self.settings.insert(dotted, setting);
        self.values.insert(path, leaf);
    }

    /// Sets a key from the text of a variable or flag.
    fn set_text(&mut self, key: &Key, text: &str) -> Result<()> {
        if key.kind != Kind::Map {
            let leaf = Leaf::from_text(text, key.kind)
                .map_err(|expected| self.wrong_text(text, &expected))?;
            self.set(key, leaf);
            return Ok(());
        }
        for entry in text.split(',').filter(|entry| !entry.trim().is_empty()) {
            match entry.split_once('=') {
                Some((id, value)) if !id.trim().is_empty() => {
                    self.set_entry(key, id.trim(), Leaf::Text(value.trim().to_owned()));
                }
                _ => return Err(self.wrong_text(text, "ID=FILE, separated by commas")),
            }
        }
        Ok(())
    }

    fn wrong_text(&self, text: &str, expected: &str) -> Error {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("{} is {text:?}; expected {expected}", self.origin),
        )
    }
}

/// The setting of one variable; `None` if it is none of this program's settings.
pub(super) fn from_variable(name: &str, value: &str) -> Result<Option<Layer>> {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    if value.is_empty() || NO_SETTINGS.contains(&name) {
        return Ok(None);
    }
    let Some(key) = schema::KEYS.iter().find(|key| key.variable() == name) else {
        return Err(unknown_variable(name, rest));
    };
    let mut layer = Layer::new(Origin::Env(name.to_owned()));
    layer.set_text(key, value)?;
    Ok(Some(layer))
}

/// Lists the keys of the table if the variable names one, else all variables.
fn unknown_variable(name: &str, rest: &str) -> Error {
    let rest = rest.to_ascii_lowercase().replace('_', "-");
    if let Some((table, key)) = rest.split_once("--")
        && schema::is_table(table)
    {
        return unknown_key(name, table, key);
    }
    let variables: Vec<String> = schema::KEYS.iter().map(Key::variable).collect();
    let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
    let meant = nearest(name, &variables).map(|near| format!("Did you mean {near}? "));
    Error::new(ErrorKind::InvalidConfig, format!("the variable {name} names no setting"))
        .with_hint(format!("{}Variables are {}.", meant.unwrap_or_default(), variables.join(", ")))
}

/// The setting of one flag.
pub(super) fn from_override(item: &Override) -> Result<Layer> {
    let mut layer = Layer::new(Origin::Flag(item.flag.clone()));
    match schema::find_dotted(&item.key) {
        Some(key) => layer.set_text(key, &item.value)?,
        None => {
            let (table, name) = item.key.split_once('.').unwrap_or(("", &item.key));
            return Err(unknown_key(&item.flag, table, name));
        }
    }
    Ok(layer)
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> std::result::Result<Map<String, Value>, ConfigError> {
        let mut top = Map::new();
        for (path, leaf) in &self.values {
            match path.as_slice() {
                [name] => {
                    top.insert(name.clone(), leaf.clone().into());
                }
                [table, name] => {
                    let entry = top
                        .entry(table.clone())
                        .or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
                    if let ValueKind::Table(entries) = &mut entry.kind {
                        entries.insert(name.clone(), leaf.clone().into());
                    }
                }
                _ => {}
            }
        }
        Ok(top)
    }
}
