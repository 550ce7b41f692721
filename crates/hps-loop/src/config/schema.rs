//! The keys there are, and what each accepts.

/// What a key accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The name of a device.
    Device,
    /// The name of a precision.
    Precision,
    /// A whole number within bounds, both included.
    Integer(u64, u64),
    /// A finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A table with free keys and text values.
    Map,
}

/// A key and its table; the table of top-level keys is empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub table: &'static str,
    pub name: &'static str,
    pub kind: Kind,
}

const fn key(table: &'static str, name: &'static str, kind: Kind) -> Key {
    Key { table, name, kind }
}

const COUNT: Kind = Kind::Integer(1, u32::MAX as u64);
const PREPROCESS: Kind = Kind::Choice(&["antialias", "no-antialias"]);
/// The ids of `hps_reward::Combine`.
const COMBINE: Kind = Kind::Choice(&["sum", "zscore", "rank", "min"]);

/// Every key, in the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
    key("", "device", Kind::Device),
    key("", "precision", Kind::Precision),
    key("", "threads", Kind::Integer(0, 65_536)),
    key("score", "reward", Kind::Text),
    key("score", "preprocess", PREPROCESS),
    key("score", "batch-size", COUNT),
    key("score", "format", Kind::Text),
    key("score", "combine", COMBINE),
    key("generate", "model", Kind::Text),
    key("generate", "reward", Kind::Text),
    key("generate", "best-of", COUNT),
    key("generate", "seed", Kind::Integer(0, u64::MAX)),
    key("generate", "out", Kind::Text),
    key("generate", "batch-size", COUNT),
    key("generate", "num-inference-steps", COUNT),
    key("generate", "guidance-scale", Kind::Number),
    key("generate", "scheduler", Kind::Text),
    key("generate", "width", COUNT),
    key("generate", "height", COUNT),
    key("generate", "negative-prompt", Kind::Text),
    key("", "weights", Kind::Map),
    key("", "arch", Kind::Map),
    key("hub", "offline", Kind::Boolean),
];

impl Key {
    /// The key with its table: `generate.best-of`.
    pub fn dotted(&self) -> String {
        if self.table.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.table, self.name)
        }
    }

    /// The dotted key of one entry of a map: `weights."hps-v2.1"`.
    pub fn entry(&self, id: &str) -> String {
        format!("{}.{}", self.dotted(), quoted_unless_bare(id))
    }

    /// The variable that sets the key: `HPS_LOOP_GENERATE__BEST_OF`.
    pub fn variable(&self) -> String {
        let name = self.dotted().replace('.', "__").replace('-', "_");
        format!("{PREFIX}{}", name.to_ascii_uppercase())
    }
}

/// What all variables begin with.
pub(super) const PREFIX: &str = "HPS_LOOP_";

/// The key of this name in this table.
pub(super) fn find(table: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.table == table && key.name == name)
}

/// The key with this dotted name.
pub(super) fn find_dotted(dotted: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.dotted() == dotted)
}

/// Whether there is a table of this name with fixed keys.
pub(super) fn is_table(name: &str) -> bool {
    !name.is_empty() && KEYS.iter().any(|key| key.table == name)
}

/// What may stand in a table; at the top level tables as well.
pub(super) fn names(table: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> =
        KEYS.iter().filter(|key| key.table == table).map(|key| key.name).collect();
    if table.is_empty() {
        for key in KEYS.iter().filter(|key| !key.table.is_empty()) {
            if !names.contains(&key.table) {
                names.push(key.table);
            }
        }
    }
    names
}

/// A key as TOML writes it.
pub(super) fn quoted_unless_bare(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        toml::Value::String(key.to_owned()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_three_spellings() {
        let key = find("generate", "best-of").expect("a key");
        assert_eq!(key.dotted(), "generate.best-of");
        assert_eq!(key.variable(), "HPS_LOOP_GENERATE__BEST_OF");
        assert_eq!(find_dotted("generate.best-of").map(Key::dotted), Some(key.dotted()));
        let weights = find("", "weights").expect("a key");
        assert_eq!(weights.entry("hps-v2.1"), "weights.\"hps-v2.1\"");
        assert_eq!(weights.entry("pickscore"), "weights.pickscore");
    }

    #[test]
    fn tables_are_accepted_at_the_top() {
        assert!(is_table("score") && !is_table("weights") && !is_table(""));
        assert_eq!(names("hub"), ["offline"]);
        let top = names("");
        assert!(top.contains(&"score") && top.contains(&"weights") && top.contains(&"device"));
    }
}
