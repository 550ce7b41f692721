//! Fixes of single characters: ligatures, widths, quotes, line breaks, controls.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

/// Colours and other commands for terminals.
static TERMINAL_ESCAPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\x1b\[[\d;]*[a-zA-Z]").expect("a constant pattern"));

/// Applies every fix of this module once, in ftfy's order.
pub(super) fn fix_characters(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match ligature(c) {
            // The apostrophe of `ŉ` is curly, and quotes come after ligatures.
            Some(letters) => plain.extend(letters.chars().map(straight_quote)),
            None => push_standard_width(c, &mut plain),
        }
    }
    let lines = unix_line_breaks(&plain);
    let shown = TERMINAL_ESCAPE.replace_all(&lines, "");
    shown.chars().filter(|&c| !is_control(c)).nfc().collect()
}

/// The letters of a typographic ligature or of a digraph that exists only for
/// the sake of old encodings.
fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "ʼn",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}

/// Full-width and half-width forms become the character they are a form of.
fn push_standard_width(c: char, out: &mut String) {
    match c {
        '\u{3000}' => out.push(' '),
        '\u{ff01}'..='\u{ffef}' => out.extend(std::iter::once(c).nfkc()),
        _ => out.push(straight_quote(c)),
    }
}

fn straight_quote(c: char) -> char {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        _ => c,
    }
}

fn unix_line_breaks(text: &str) -> Cow<'_, str> {
    const BREAKS: [char; 4] = ['\r', '\u{2028}', '\u{2029}', '\u{85}'];
    if !text.contains(BREAKS) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace(BREAKS, "\n"))
}

/// Control characters that are never meant: ASCII's but for white space, the
/// deprecated Arabic ones, byte order marks and annotation anchors.
fn is_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}'
            | '\u{b}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffc}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_become_standard_characters() {
        assert_eq!(fix_characters("ﬂuﬃeﬆ"), "fluffiest");
        assert_eq!(fix_characters("ŉ ǆ"), "'n dž");
        assert_eq!(fix_characters("ＬＯＵＤ　ＮＯＩＳＥＳ"), "LOUD NOISES");
        assert_eq!(fix_characters("Ｕﾀｰﾝ"), "Uターン");
        assert_eq!(fix_characters("“it’s”"), "\"it's\"");
    }

    #[test]
    fn line_breaks_are_newlines() {
        assert_eq!(fix_characters("a\r\nb\rc\u{2028}d\u{2029}e\u{85}f"), "a\nb\nc\nd\ne\nf");
    }

    #[test]
    fn escapes_and_controls_are_dropped() {
        assert_eq!(fix_characters("\u{1b}[36;44mblue\u{1b}[0m\u{7}\u{feff}\0!"), "blue!");
        assert_eq!(fix_characters("tab\tstays"), "tab\tstays");
    }

    #[test]
    fn the_result_is_composed() {
        assert_eq!(fix_characters("cafe\u{301}"), "café");
    }
}
