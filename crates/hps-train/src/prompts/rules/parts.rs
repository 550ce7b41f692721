//! A prompt as parts between commas, semicolons, bars, line ends and full stops.

/// A part and what follows it; both together, part by part, are the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'t> {
    pub(super) text: &'t str,
    /// Punctuation with the white space after it; empty at the end of the text.
    pub(super) delimiter: &'t str,
}

/// The parts of a text. A full stop only separates if a space or the end follows.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut delimiter: Option<usize> = None;
    for (at, c) in text.char_indices() {
        let after = text.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
        match delimiter {
            Some(_) if c.is_whitespace() || is_delimiter(c, after) => {}
            Some(from) => {
                parts.push(part(text, start, from, at));
                (start, delimiter) = (at, None);
            }
            None if is_delimiter(c, after) => delimiter = Some(at),
            None => {}
        }
    }
    let end = text.len();
    parts.push(part(text, start, delimiter.unwrap_or(end), end));
    parts
}

fn part(text: &str, start: usize, delimiter: usize, end: usize) -> Part<'_> {
    Part {
        text: text.get(start..delimiter).unwrap_or_default(),
        delimiter: text.get(delimiter..end).unwrap_or_default(),
    }
}

fn is_delimiter(c: char, after: Option<char>) -> bool {
    match c {
        ',' | ';' | '|' | '\n' | '\r' | '。' | '，' | '、' | '！' | '？' => true,
        '.' | '!' | '?' => after.is_none_or(|c| c.is_whitespace() || matches!(c, ',' | ';' | '|')),
        _ => false,
    }
}

/// The text of the parts that `keep` says; one delimiter, the stronger one, remains
/// where parts are left out.
pub(super) fn join<'t>(parts: &[Part<'t>], keep: impl Fn(usize) -> bool) -> String {
    let mut out = String::new();
    let mut pending = "";
    for (index, part) in parts.iter().enumerate() {
        if !keep(index) {
            pending = stronger(pending, part.delimiter);
            continue;
        }
        if !out.is_empty() {
            out.push_str(pending);
        }
        out.push_str(part.text);
        pending = part.delimiter;
    }
    if !out.is_empty() {
        out.push_str(pending);
    }
    out
}

fn stronger<'t>(first: &'t str, second: &'t str) -> &'t str {
    if strength(second) > strength(first) { second } else { first }
}

fn strength(delimiter: &str) -> u8 {
    let has = |chars: &[char]| delimiter.contains(chars);
    match () {
        () if has(&['.', '!', '?', '。', '！', '？', '\n']) => 3,
        () if has(&[';', '|']) => 2,
        () if has(&[',', '，', '、']) => 1,
        () => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_of_a_prompt() {
        let texts: Vec<&str> =
            parts("a fox, f/1.8 | v2.1. In snow.").iter().map(|part| part.text).collect();
        assert_eq!(texts, ["a fox", "f/1.8 ", "v2.1", "In snow"]);
    }

    #[test]
    fn the_stronger_delimiter_remains() {
        let without = |text: &str, out: usize| join(&parts(text), |index| index != out);
        assert_eq!(without("a fox, 8k.", 1), "a fox.");
        assert_eq!(without("a fox, 8k, snow", 1), "a fox, snow");
        assert_eq!(without("a fox. 8k, snow", 1), "a fox. snow");
        assert_eq!(without("8k, a fox", 0), "a fox");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "\\PC{0,60}") {
            prop_assert_eq!(join(&parts(&text), |_| true).len(), text.len() - leading(&text));
        }
    }

    /// Bytes of a delimiter in front of everything, which joining leaves out.
    fn leading(text: &str) -> usize {
        match parts(text).first() {
            Some(part) if part.text.is_empty() => part.delimiter.len(),
            _ => 0,
        }
    }
}
