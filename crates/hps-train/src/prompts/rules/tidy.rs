//! Punctuation and spaces after something was removed.

/// Single spaces, none before punctuation, no commas at the ends or before full stops,
/// no empty brackets. Never longer than `text`.
pub(super) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        match c {
            _ if c.is_whitespace() => space = !out.is_empty(),
            ',' | ';' | '.' | '!' | '?' => {
                space = false;
                if matches!(c, '.' | '!' | '?') {
                    out.truncate(out.trim_end_matches([',', ';', ' ']).len());
                }
                let doubled = matches!(c, ',' | ';') && out.ends_with([',', ';']);
                if !out.is_empty() && !doubled {
                    out.push(c);
                }
            }
            ')' | ']' | '}' => {
                space = false;
                match opening(c) {
                    open if out.ends_with(open) => {
                        out.pop();
                        out.truncate(out.trim_end().len());
                    }
                    _ => out.push(c),
                }
            }
            _ => {
                if std::mem::take(&mut space) && !out.ends_with(['(', '[', '{']) {
                    out.push(' ');
                }
                out.push(c);
            }
        }
    }
    let end = out.trim_end_matches([',', ';', '|', ' ']).len();
    out.truncate(end);
    let start = out.len() - out.trim_start_matches([',', ';', '|', ' ']).len();
    out.drain(..start);
    out
}

fn opening(closing: char) -> char {
    match closing {
        ')' => '(',
        ']' => '[',
        _ => '{',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn loose_ends() {
        for (text, expected) in [
            ("a fox ,  snow ,", "a fox, snow"),
            (", a fox,.", "a fox."),
            ("a fox () in snow", "a fox in snow"),
            (" | a fox; , snow ...", "a fox; snow..."),
            ("", ""),
            (".", ""),
        ] {
            assert_eq!(tidy(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_longer_and_stable(text in "(\\PC|[ ,.;()\\[\\]|]){0,40}") {
            let once = tidy(&text);
            prop_assert!(once.len() <= text.len());
            prop_assert!(tidy(&once).len() <= once.len());
        }
    }
}
