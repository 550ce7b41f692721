//! What happens to a prompt before it is split into words.

use unicode_normalization::UnicodeNormalization;

use super::ftfy::fix_text;
use super::html;

/// open_clip's cleaning: ftfy, entities twice, white space collapsed, lower case.
pub(super) fn open_clip(text: &str) -> String {
    let fixed = fix_text(text);
    let plain = html::unescape(&fixed);
    let plain = html::unescape(&plain);
    collapse_space(&plain).to_lowercase()
}

/// The normalizer of Hugging Face's `CLIPTokenizer`: NFC, white space
/// collapsed but not trimmed, lower case letter by letter (no final sigma).
pub(super) fn hugging_face(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfc() {
        if !c.is_whitespace() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

/// Python's `str.isspace` for one character: Unicode's white space and the
/// four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// One space between words, none around them.
fn collapse_space(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_clip_reads_entities_three_times() {
        assert_eq!(open_clip("Tom &amp;amp; &AMP;amp;lt; Jerry"), "tom & < jerry");
        assert_eq!(open_clip("<b>&amp;amp;amp;"), "<b>&amp;");
        assert_eq!(open_clip("&copy &AMP x"), "© & x");
    }

    #[test]
    fn open_clip_collapses_every_kind_of_space() {
        assert_eq!(open_clip("  a\t\u{a0}\u{2003}b\r\n\u{3000}c "), "a b c");
        assert_eq!(open_clip(" \n "), "");
    }

    #[test]
    fn lower_case_follows_python_and_tokenizers() {
        assert_eq!(open_clip("ΣΑΣ İ"), "σας i\u{307}");
        assert_eq!(hugging_face("ΣΑΣ İ"), "σασ i\u{307}");
    }

    #[test]
    fn hugging_face_leaves_the_rest_alone() {
        assert_eq!(hugging_face(" A\n\n&amp; “x” "), " a &amp; “x” ");
        assert_eq!(hugging_face("cafe\u{301}"), "café");
    }
}
