//! Taking words out of a sentence without leaving loose ends.

use std::ops::Range;

/// Little words that lead to what was removed and mean nothing without it.
const LEADING: [&str; 29] = [
    "&",
    "+",
    "a",
    "an",
    "and",
    "are",
    "as",
    "at",
    "by",
    "created",
    "depicted",
    "featuring",
    "for",
    "from",
    "in",
    "inspired",
    "is",
    "of",
    "on",
    "painted",
    "resembling",
    "the",
    "using",
    "very",
    "via",
    "was",
    "were",
    "with",
    "portrayed",
];

/// Those that go on from what was removed.
const FOLLOWING: [&str; 8] = ["&", "+", "and", "by", "from", "in", "on", "with"];

const AND: [&str; 3] = ["&", "+", "and"];
const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// `text` without the `spans`, which are in order and do not overlap, and without the
/// little words that are loose then.
pub(super) fn remove_spans(text: &str, spans: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        // Widened by the little words after the span before.
        out.push_str(text.get(at..span.start.max(at)).unwrap_or_default());
        let rest = text.get(span.end.max(at)..).unwrap_or_default();
        let next = close_gap(&mut out, rest);
        at = text.len() - next.len();
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Mends the end of `out` and says with what part of `rest` to go on.
fn close_gap<'t>(out: &mut String, rest: &'t str) -> &'t str {
    let next = rest.trim_start();
    let (before, after) = (last_word(out), first_word(next));
    // "a highly detailed, symmetrical fox": a list of adjectives goes on.
    if let Some(more) = next.strip_prefix(',')
        && is(before, &ARTICLES)
        && out.ends_with(char::is_whitespace)
    {
        return more.trim_start();
    }
    if next.is_empty() || next.starts_with(closes) {
        strip_leading_words(out);
        return next;
    }
    if out.trim_end().is_empty() || out.trim_end().ends_with(opens) {
        return if is(after, &AND) { skip_word(next) } else { next };
    }
    if !out.ends_with(char::is_whitespace) {
        // The span began without a space; keep the one that followed.
        return rest;
    }
    if is(before, &LEADING) && is(after, &AND) {
        return skip_word(next);
    }
    if is(before, &LEADING) && is(after, &FOLLOWING) {
        strip_leading_words(out);
        return rest;
    }
    mend_article(out, next);
    next
}

fn is(word: &str, list: &[&str]) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn last_word(text: &str) -> &str {
    text.trim_end().rsplit(|c: char| c.is_whitespace() || opens(c)).next().unwrap_or_default()
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| c.is_whitespace() || closes(c)).next().unwrap_or_default()
}

fn skip_word(text: &str) -> &str {
    text.get(first_word(text).len()..).unwrap_or_default().trim_start()
}

fn closes(c: char) -> bool {
    matches!(c, ',' | ';' | '|' | '.' | '!' | '?' | '\n' | ')' | ']' | '}' | '，' | '。' | '、')
}

fn opens(c: char) -> bool {
    matches!(c, ',' | ';' | '|' | '.' | '!' | '?' | '\n' | '(' | '[' | '{' | '，' | '。' | '、')
}

fn strip_leading_words(out: &mut String) {
    loop {
        out.truncate(out.trim_end().len());
        let word = last_word(out);
        if word.is_empty() || !is(word, &LEADING) {
            return;
        }
        out.truncate(out.len() - word.len());
    }
}

/// "an ultra-detailed fox" is "a fox", "a highly detailed owl" is "an owl".
fn mend_article(out: &mut String, next: &str) {
    let Some(first) = next.chars().next().filter(char::is_ascii_alphabetic) else { return };
    let vowel = matches!(first.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u');
    let trimmed = out.trim_end().len();
    let word = out.get(..trimmed).and_then(|text| text.rsplit(char::is_whitespace).next());
    match word {
        Some("a" | "A") if vowel => out.insert(trimmed, 'n'),
        Some("an" | "An") if !vowel => {
            out.remove(trimmed - 1);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str, words: &str) -> String {
        let spans: Vec<_> =
            text.match_indices(words).map(|(at, found)| at..at + found.len()).collect();
        remove_spans(text, &spans)
    }

    #[test]
    fn little_words_go_along() {
        for (text, expected) in [
            ("a fox X", "a fox"),
            ("a fox and X, snow", "a fox, snow"),
            ("a fox, and is X.", "a fox,."),
            ("X and a fox", "a fox"),
            ("a X fox", "a fox"),
            ("a X owl", "an owl"),
            ("an X fox", "a fox"),
            ("X", ""),
            ("X X fox", "fox"),
            ("is a X, blue fox", "is a blue fox"),
            ("the X, a fox", "the a fox"),
            ("a fox with X and snow", "a fox with snow"),
            ("a fox and X in the snow", "a fox in the snow"),
            ("a fox, inspired by the X.", "a fox,."),
            ("a fox (with X) in snow", "a fox () in snow"),
        ] {
            assert_eq!(without(text, "X").trim(), expected, "{text}");
        }
    }
}
