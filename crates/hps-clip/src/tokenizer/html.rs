//! HTML entities and character references, read the way Python reads them.

use std::borrow::Cow;
use std::sync::LazyLock;

use htmlize::ENTITIES;
use regex::{Captures, Regex};

use super::ftfy::c1_to_windows_1252;

/// What `html.unescape` looks at: a number, or anything that may be a name.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"&(?:#([0-9]+);?|#[xX]([0-9a-fA-F]+);?|([^\t\n\f <&#;]{1,32};?))";
    Regex::new(pattern).expect("a constant pattern")
});

/// What ftfy looks at: complete references only.
static STRICT_REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("&#?[0-9A-Za-z]{1,24};").expect("a constant pattern"));

/// Python's `html.unescape`: HTML 5's rules for text, where old names need no
/// semicolon (`&ampere` is `&ere`).
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    REFERENCE.replace_all(text, |found: &Captures<'_>| {
        if let Some(digits) = found.get(1) {
            number(digits.as_str(), 10)
        } else if let Some(digits) = found.get(2) {
            number(digits.as_str(), 16)
        } else {
            longest_name(&found[0])
        }
    })
}

/// ftfy's `unescape_html`: only names and numbers that end in a semicolon, and
/// names in capitals where nothing else has that name (`&EACUTE;` is `É`).
pub(super) fn unescape_strict(text: &str) -> Cow<'_, str> {
    STRICT_REFERENCE.replace_all(text, |found: &Captures<'_>| {
        let reference = &found[0];
        if reference.starts_with("&#") {
            let plain = unescape(reference);
            // A semicolon that is left over means that only a part was a number.
            if plain.contains(';') { reference.to_owned() } else { plain.into_owned() }
        } else if let Some(plain) = entity(reference) {
            plain.to_owned()
        } else {
            in_capitals(reference).unwrap_or_else(|| reference.to_owned())
        }
    })
}

/// The text of a named entity; `name` has the ampersand and, unless the name
/// may go without one, the semicolon.
fn entity(name: &str) -> Option<&'static str> {
    ENTITIES.get(name.as_bytes()).and_then(|text| str::from_utf8(text).ok())
}

/// Replaces the longest name that `reference` starts with.
fn longest_name(reference: &str) -> String {
    let ends = reference.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
    // An ampersand and one letter is no name.
    for end in ends.filter(|&end| end > 2) {
        if let Some(text) = entity(&reference[..end]) {
            return format!("{text}{}", &reference[end..]);
        }
    }
    reference.to_owned()
}

fn in_capitals(reference: &str) -> Option<String> {
    let lower = reference.to_lowercase();
    if reference != lower.to_uppercase() || unescape(reference) != reference {
        return None;
    }
    entity(&lower).map(str::to_uppercase)
}

/// The character of a numeric reference, by HTML 5's table of errors.
fn number(digits: &str, radix: u32) -> String {
    // Numbers that do not even fit are out of range as well.
    let code = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    let is_hole = match code {
        0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f | 0xfdd0..=0xfdef => true,
        _ => code & 0xfffe == 0xfffe && code <= 0x10_ffff,
    };
    match char::from_u32(code) {
        Some('\0') | None => "\u{fffd}".to_owned(),
        Some(_) if is_hole => String::new(),
        Some(c) => c1_to_windows_1252(c).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_the_longest_name_ends() {
        assert_eq!(unescape("&lt;b&gt; &notit; &notin; &ampere"), "<b> ¬it; ∉ &ere");
        assert_eq!(unescape("AT&T &; & &unknown; &l"), "AT&T &; & &unknown; &l");
        assert_eq!(unescape("&CounterClockwiseContourIntegral;"), "∳");
    }

    #[test]
    fn numbers_follow_the_table_of_errors() {
        assert_eq!(unescape("&#65;&#x41&#X41;"), "AAA");
        assert_eq!(unescape("&#0;&#xD800;&#x110000;&#99999999999999;"), "\u{fffd}".repeat(4));
        assert_eq!(unescape("a&#1;&#xFFFE;&#x1FFFF;&#127;b"), "ab");
        assert_eq!(unescape("&#128;&#129;&#13;"), "€\u{81}\r");
    }

    #[test]
    fn the_strict_form_needs_a_semicolon() {
        assert_eq!(unescape_strict("&amp &amp; this&not that"), "&amp & this&not that");
        assert_eq!(unescape_strict("&#59; &#12x; &#x1F98A;"), "&#59; &#12x; 🦊");
    }

    #[test]
    fn the_strict_form_reads_capitals() {
        assert_eq!(unescape_strict("P&EACUTE;REZ &ntilde;&NTILDE;&nTILDE;"), "PÉREZ ñÑ&nTILDE;");
        assert_eq!(unescape_strict("STRA&SZLIG;E"), "STRASSE");
    }
}
