//! Settings as text, for `hps-loop config show`.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::loader::Loaded;
use super::schema::{self, KEYS, Key, Kind};

impl Loaded {
    /// The settings as TOML, each with its source in a comment. What is not set
    /// appears as a comment.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for key in KEYS.iter().filter(|key| key.table.is_empty() && key.kind != Kind::Map) {
            self.render_key(&mut text, key);
        }
        for table in schema::names("") {
            if schema::is_table(table) {
                push_line(&mut text, &format!("\n[{table}]"));
                for key in KEYS.iter().filter(|key| key.table == table) {
                    self.render_key(&mut text, key);
                }
            } else if let Some(key) = schema::find("", table).filter(|key| key.kind == Kind::Map) {
                push_line(&mut text, &format!("\n[{table}]"));
                self.render_entries(&mut text, key);
            }
        }
        text
    }

    fn render_key(&self, text: &mut String, key: &Key) {
        let line = match self.settings.get(&key.dotted()) {
            Some(setting) => format!("{} = {}  # {}", key.name, setting.value, setting.origin),
            None => format!("# {} is not set", key.name),
        };
        push_line(text, &line);
    }

    fn render_entries(&self, text: &mut String, key: &Key) {
        let prefix = format!("{}.", key.dotted());
        for (dotted, setting) in &self.settings {
            if let Some(id) = dotted.strip_prefix(&prefix) {
                push_line(text, &format!("{id} = {}  # {}", setting.value, setting.origin));
            }
        }
    }

    /// The settings as one JSON object: dotted keys, each with `value` and `origin`
    /// (`kind` is `default`, `file`, `env` or `flag`, with a `name` but for the
    /// first). What is not set is `null`.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        for key in KEYS.iter().filter(|key| key.kind != Kind::Map) {
            object.insert(key.dotted(), Value::Null);
        }
        for (dotted, setting) in &self.settings {
            let mut entry = Map::new();
            entry.insert("value".to_owned(), json(&setting.value));
            entry.insert("origin".to_owned(), json(&setting.origin));
            object.insert(dotted.clone(), Value::Object(entry));
        }
        Value::Object(object)
    }
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn push_line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
