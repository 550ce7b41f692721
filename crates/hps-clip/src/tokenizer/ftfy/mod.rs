//! What `ftfy.fix_text` does to a prompt.
//!
//! HPS v2 and open_clip pass every prompt through [ftfy](https://ftfy.readthedocs.io)
//! (version 6.3, default settings) before it is tokenized, so a score equals
//! theirs only if the same text comes out: entities, text in the wrong
//! encoding, ligatures, widths, curly quotes, line breaks, control characters.

mod badness;
mod budget;
mod characters;
mod code_page;
mod damage;
mod encoding;

pub(super) use code_page::c1_to_windows_1252;

use std::borrow::Cow;

use super::html;
use budget::Budget;

/// Repairs `text` line by line.
///
/// As in ftfy, entities stay from the first line on that has a `<`: then the
/// text is taken for HTML.
pub(super) fn fix_text(text: &str) -> String {
    let mut unescape = true;
    let mut budget = Budget::new(text.len());
    text.split_inclusive('\n')
        .map(|line| {
            unescape &= !line.contains('<');
            fix_line(line, unescape, &mut budget)
        })
        .collect()
}

fn fix_line(line: &str, unescape: bool, budget: &mut Budget) -> String {
    let mut text = line.to_owned();
    while budget.spend(text.len()) {
        let unescaped =
            if unescape { html::unescape_strict(&text) } else { Cow::Borrowed(text.as_str()) };
        let decoded = encoding::fix_encoding(unescaped.into_owned(), budget);
        let fixed = characters::fix_characters(&encoding::fix_c1_controls(&decoded));
        if fixed == text {
            break;
        }
        text = fixed;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixes_work_together() {
        assert_eq!(
            fix_text("Broken text&hellip; it&#x2019;s ﬂubberiﬁc!"),
            "Broken text… it's flubberific!"
        );
        assert_eq!(fix_text("&macr;\\_(ã\u{83}\u{84})_/&macr;"), "¯\\_(ツ)_/¯");
    }

    #[test]
    fn entities_stay_once_the_text_looks_like_html() {
        assert_eq!(fix_text("&eacute;\n<b>&eacute;\n&eacute;"), "é\n<b>&eacute;\n&eacute;");
    }

    #[test]
    fn entities_of_entities_end() {
        let nested = format!("&{}lt;", "amp;".repeat(10_000));
        assert!(fix_text(&nested).starts_with("&amp;amp;"));
    }
}
