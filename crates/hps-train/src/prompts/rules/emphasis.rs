//! Brackets that programs read as weights: `(word:1.2)`, `((word))`, `[word]`.

/// The text without such brackets and weights; `None` if it has none.
///
/// A pair of brackets counts if it has a weight, holds or is held by another pair
/// directly, or encloses all of a part between commas. Other brackets belong to the
/// sentence. One pass, linear in the length.
pub(super) fn without_emphasis(text: &str) -> Option<String> {
    let mut pairs = pairs(text);
    pairs.sort_unstable_by_key(|pair| pair.open);
    let mut removed: Vec<(usize, usize)> = Vec::new();
    for pair in &pairs {
        let weight = weight(text.get(pair.open + 1..pair.close).unwrap_or_default());
        let holds = |open: usize| pairs.binary_search_by_key(&open, |pair| pair.open).is_ok();
        // A weight may stand between the closing brackets of a doubled pair.
        let doubled = |inner: usize| {
            let index = pairs.binary_search_by_key(&inner, |pair| pair.open);
            let inner = index.ok().and_then(|index| pairs.get(index));
            inner.is_some_and(|inner| {
                let between = text.get(inner.close + 1..pair.close).unwrap_or_default();
                weight_or_nothing(between)
            })
        };
        let held = pair.open.checked_sub(1).is_some_and(|open| {
            let index = pairs.binary_search_by_key(&open, |pair| pair.open);
            let outer = index.ok().and_then(|index| pairs.get(index));
            outer.is_some_and(|outer| {
                weight_or_nothing(text.get(pair.close + 1..outer.close).unwrap_or_default())
            })
        });
        let counts = weight.is_some()
            || held
            || (holds(pair.open + 1) && doubled(pair.open + 1))
            || is_whole_part(text, pair);
        if counts {
            removed.push((pair.open, pair.open + 1));
            removed.push((pair.close - weight.unwrap_or_default(), pair.close + 1));
        }
    }
    if removed.is_empty() {
        return None;
    }
    removed.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in removed {
        out.push_str(text.get(at..start).unwrap_or_default());
        at = at.max(end);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Some(out)
}

/// Byte offsets of an opening bracket and the one that closes it.
#[derive(Clone, Copy, Debug)]
struct Pair {
    open: usize,
    close: usize,
}

fn pairs(text: &str) -> Vec<Pair> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut pairs = Vec::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {}
            '(' | '[' | '{' => open.push((c, at)),
            ')' | ']' | '}' => {
                let partner = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                // One that does not match closes nothing.
                if let Some((_, start)) = open.pop_if(|(kind, _)| *kind == partner) {
                    pairs.push(Pair { open: start, close: at });
                }
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    pairs
}

/// Bytes of the weight at the end of a bracket's content, such as `:1.2`.
fn weight(content: &str) -> Option<usize> {
    let (before, number) = content.rsplit_once(':')?;
    let number = number.trim();
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    let is_number = digits.contains(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    (is_number && !before.trim().is_empty()).then_some(content.len() - before.len())
}

fn weight_or_nothing(text: &str) -> bool {
    text.trim().is_empty() || weight(&format!("x{text}")).is_some_and(|n| n == text.len())
}

/// Whether the brackets begin and end a part between commas.
fn is_whole_part(text: &str, pair: &Pair) -> bool {
    let ends = |c: char| matches!(c, ',' | ';' | '|' | '\n' | '(' | '[' | '{' | ')' | ']' | '}');
    let before = text.get(..pair.open).unwrap_or_default().trim_end_matches(' ');
    let after = text.get(pair.close + 1..).unwrap_or_default().trim_start_matches(' ');
    let content = text.get(pair.open + 1..pair.close).unwrap_or_default();
    let after_ends = after.starts_with(ends) || after.trim_matches('.').is_empty();
    (before.is_empty() || before.ends_with(ends)) && after_ends && !content.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_doubled_brackets_go() {
        for (before, after) in [
            ("(fox:1.2)", "fox"),
            ("a (red:-0.5) fox", "a red fox"),
            ("a ((red)) fox", "a red fox"),
            ("a (((red):1.1):1.2) fox", "a red fox"),
            ("a ((red) and blue:1.3) fox", "a (red) and blue fox"),
            ("[fox], {snow}, (a fox, in snow), x", "fox, snow, a fox, in snow, x"),
            ("(a fox).", "a fox."),
        ] {
            assert_eq!(without_emphasis(before).as_deref(), Some(after), "{before}");
        }
    }

    #[test]
    fn brackets_of_a_sentence_stay() {
        for text in [
            "a man (left) and a woman (right)",
            "a sign (in red), on a wall",
            "a fox \\(character\\)",
            "a fox (",
            ") a fox (",
            "(a] fox",
            "()",
            "smile :)",
        ] {
            assert_eq!(without_emphasis(text), None, "{text}");
        }
    }

    #[test]
    fn deep_brackets_take_one_pass() {
        let deep = format!("{}fox{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(without_emphasis(&deep).as_deref(), Some("fox"));
    }
}
