//! Repairing text that was decoded with the wrong encoding.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::badness::is_bad;
use super::budget::Budget;
use super::code_page::{CODE_PAGES, Kind, c1_to_windows_1252, latin1_like};
use super::damage::{decode_variants, replace_lost, restore_a0};

/// How deep a repair of a part may call for repairs of parts of that part.
const MAX_DEPTH: usize = 8;

/// Undoes wrong decodings until the text no longer looks like one.
pub(super) fn fix_encoding(text: String, budget: &mut Budget) -> String {
    fix_nested(text, 0, budget)
}

fn fix_nested(mut text: String, depth: usize, budget: &mut Budget) -> String {
    while budget.spend(text.len()) {
        match fix_once(&text, depth, budget) {
            Some(fixed) if fixed != text => text = fixed,
            _ => break,
        }
    }
    text
}

/// One step, or `None` if there is nothing to do.
fn fix_once(text: &str, depth: usize, budget: &mut Budget) -> Option<String> {
    if !is_bad(text) {
        return None;
    }
    if let Some(fixed) = reread_as_utf8(text) {
        return Some(fixed);
    }
    if depth < MAX_DEPTH {
        let fixed = fix_parts(text, depth, budget);
        if fixed != text {
            return Some(fixed);
        }
    }
    text.contains(is_c1).then(|| fix_c1_controls(text))
}

/// Reads the bytes of `text` in the first code page that has them as UTF-8.
fn reread_as_utf8(text: &str) -> Option<String> {
    CODE_PAGES.iter().find_map(|page| {
        let mut bytes = page.encode(text)?;
        if page.kind() != Kind::MacRoman {
            bytes = restore_a0(bytes);
        }
        if page.kind() == Kind::Windows {
            bytes = replace_lost(bytes);
        }
        decode_variants(bytes)
    })
}

fn is_c1(c: char) -> bool {
    ('\u{80}'..='\u{9f}').contains(&c)
}

/// Reads C1 control characters as windows-1252, as browsers do.
pub(super) fn fix_c1_controls(text: &str) -> String {
    text.chars().map(c1_to_windows_1252).collect()
}

/// What UTF-8 bytes look like in the code pages that resemble ISO 8859-1.
struct Clues {
    /// First characters of sequences of two, three and four bytes.
    first: [HashSet<char>; 3],
    continuation: HashSet<char>,
    /// Continuations that rarely stand for themselves beside such sequences.
    strict: HashSet<char>,
}

static CLUES: LazyLock<Clues> = LazyLock::new(|| {
    let chars = |bytes: &[u8]| -> HashSet<char> {
        latin1_like().flat_map(|page| bytes.iter().map(|&byte| page.decode(byte))).collect()
    };
    let span = |bytes: std::ops::Range<u8>| chars(&bytes.collect::<Vec<u8>>());
    let mut strict = span(0x80..0xc0);
    let everyday = ['–', '—', '―', '‘', '’', '‚', '“', '”', '„', '•', '…'];
    strict.retain(|c| !everyday.contains(c));
    let mut continuation = span(0x80..0xc0);
    // A space may have been the byte A0.
    continuation.insert(' ');
    // Of the lead bytes of four, only F0 and F3 lead to assigned characters.
    Clues {
        first: [span(0xc2..0xe0), span(0xe0..0xf0), chars(&[0xf0, 0xf3])],
        continuation,
        strict,
    }
});

impl Clues {
    /// The number of characters at the start of `chars` that look like UTF-8.
    fn run(&self, chars: &[(usize, char)]) -> usize {
        let mut end = 0;
        while let Some((_, c)) = chars.get(end) {
            let Some(more) = self.first.iter().position(|set| set.contains(c)) else { break };
            let Some(tail) = chars.get(end + 1..end + 2 + more) else { break };
            if !tail.iter().all(|(_, c)| self.continuation.contains(c)) {
                break;
            }
            end += 2 + more;
        }
        end
    }
}

/// Repairs each run that looks like UTF-8 on its own, for text that is a
/// mixture of encodings.
fn fix_parts(text: &str, depth: usize, budget: &mut Budget) -> String {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let offset = |at: usize| chars.get(at).map_or(text.len(), |&(offset, _)| offset);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        // Inside a longer garble a repair of a few characters would harm.
        let in_garble = at > 0 && CLUES.strict.contains(&chars[at - 1].1);
        let run = if in_garble { 0 } else { CLUES.run(&chars[at..]) };
        let part = &text[offset(at)..offset(at + run.max(1))];
        if run > 0 && run < chars.len() && is_bad(part) {
            out.push_str(&fix_nested(part.to_owned(), depth + 1, budget));
        } else {
            out.push_str(part);
        }
        at += run.max(1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> String {
        fix_encoding(text.to_owned(), &mut Budget::new(text.len()))
    }

    #[test]
    fn every_code_page_is_undone() {
        assert_eq!(fixed("schÃ¶n"), "schön");
        assert_eq!(fixed("â€œquotesâ€\u{9d}"), "“quotes”");
        assert_eq!(fixed("La rГ©gion Г lвЂ™ouest"), "La région à l’ouest");
        assert_eq!(fixed("wei√ü"), "weiß");
    }

    #[test]
    fn nested_mistakes_are_undone_one_after_the_other() {
        assert_eq!(fixed("voilÃƒÂ©"), "voilé");
    }

    #[test]
    fn parts_of_a_mixture_are_undone_alone() {
        assert_eq!(fixed("III DivisÃ£o - Classificação"), "III Divisão - Classificação");
    }

    #[test]
    fn c1_controls_are_windows_1252() {
        assert_eq!(fixed("\u{92}smart\u{92}"), "’smart’");
        assert_eq!(fixed("\u{81} 日\u{85}"), "\u{81} 日…");
    }

    #[test]
    fn good_text_stays() {
        for text in ["", "plain", "déjà vu", "日本語 – ok", "Ôôô VIDA MINHA"] {
            assert_eq!(fixed(text), text);
        }
    }
}
