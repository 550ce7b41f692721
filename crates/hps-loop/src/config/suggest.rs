//! What the user may have meant.

use hps_core::{Error, ErrorKind};

use super::schema;

/// An error for a key that does not exist, with the keys that do.
///
/// `place` names the source, with a line where there is one.
pub(super) fn unknown_key(place: &str, table: &str, name: &str) -> Error {
    let accepted = schema::names(table);
    let (shown, what) = if table.is_empty() {
        (name.to_owned(), "Top-level keys and tables are".to_owned())
    } else {
        (format!("{table}.{name}"), format!("The keys of [{table}] are"))
    };
    let message = format!("{place}: unknown key '{shown}'");
    let mut hint = String::new();
    let homes = tables_with(name);
    if let Some(near) = nearest(name, &accepted) {
        hint = format!("Did you mean '{near}'? ");
    } else if !homes.is_empty() {
        hint = format!("'{name}' belongs to {}. ", homes.join(" or "));
    }
    hint.push_str(&format!("{what} {}.", accepted.join(", ")));
    Error::new(ErrorKind::InvalidConfig, message).with_hint(hint)
}

/// The candidate with the fewest edits, if it is close enough to be a slip.
pub(super) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The tables in which the key would be right, in brackets.
fn tables_with(name: &str) -> Vec<String> {
    schema::KEYS
        .iter()
        .filter(|key| !key.table.is_empty() && distance(name, key.name) == 0)
        .map(|key| format!("[{}]", key.table))
        .collect()
}

/// The Levenshtein distance in characters, with `_` and `-` taken as equal.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, &y) in row.iter_mut().skip(1).zip(&b) {
            let same = x == y || (x == '_' && y == '-');
            let value = (diagonal + usize::from(!same)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, value);
            left = value;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("batch_size", "batch-size", 0),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_slips_are_suggested() {
        assert_eq!(nearest("rewrd", &["reward", "format"]), Some("reward"));
        assert_eq!(nearest("batch_size", &["batch-size"]), Some("batch-size"));
        assert_eq!(nearest("colour", &["reward", "format"]), None);
        assert_eq!(nearest("", &["reward"]), None);
    }

    #[test]
    fn a_key_of_another_table_is_sent_home() {
        let error = unknown_key("x.toml line 1", "", "best-of");
        assert_eq!(error.message(), "x.toml line 1: unknown key 'best-of'");
        let hint = |name| unknown_key("x", "", name).hint().unwrap_or_default().to_owned();
        assert!(hint("best-of").starts_with("'best-of' belongs to [generate]. "));
        let both = "'batch_size' belongs to [score] or [generate]. ";
        assert!(hint("batch_size").starts_with(both));
    }
}
