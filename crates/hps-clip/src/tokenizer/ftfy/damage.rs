//! UTF-8 bytes that were damaged on their way, and UTF-8's variants.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

fn constant(pattern: &str) -> Regex {
    Regex::new(&format!("(?-u){pattern}")).expect("a constant pattern")
}

/// Sequences that would be UTF-8 if their space were the byte A0, which some
/// programs replace by a space. Only lead bytes of likely characters count.
static SPACE_FOR_A0: LazyLock<Regex> = LazyLock::new(|| {
    constant(concat!(
        r"(?:[\xc2\xc3\xc5\xce\xd0\xd9] ",
        r"|[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]",
        r"|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] ",
        r"|\xf0 [\x80-\xbf][\x80-\xbf]",
        r"|\xf0[\x80-\xbf] [\x80-\xbf]",
        r"|\xf0[\x80-\xbf][\x80-\xbf] )",
    ))
});

/// UTF-8 and CESU-8 sequences in which a byte was lost: 1A or, once in a
/// sequence, a question mark stands in its place.
static LOST_BYTE: LazyLock<Regex> = LazyLock::new(|| {
    constant(concat!(
        r"(?:[\xc2-\xdf]\x1a",
        r"|[\xc2-\xc3]\?",
        r"|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]",
        r"|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]",
        r"|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]",
        r"|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]",
        r"|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]",
        r"|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]",
        r"|[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]",
        r"|\x1a)",
    ))
});

/// Puts A0 back where a space took its place.
pub(super) fn restore_a0(bytes: Vec<u8>) -> Vec<u8> {
    if !SPACE_FOR_A0.is_match(&bytes) {
        return bytes;
    }
    let bytes = separate_a_grave(&bytes);
    let restored = SPACE_FOR_A0.replace_all(&bytes, |found: &Captures<'_>| -> Vec<u8> {
        found[0].iter().map(|&b| if b == b' ' { 0xa0 } else { b }).collect()
    });
    restored.into_owned()
}

/// `C3 20` is most often the French word "à": keep its space as well, unless
/// it reads as the start of the Portuguese "às", "àquele", "àquela", "àquilo".
fn separate_a_grave(bytes: &[u8]) -> Vec<u8> {
    const GLUED: [&[u8]; 5] = [b" ", b"quele", b"quela", b"quilo", b"s "];
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let after = tail.strip_prefix(b" ").filter(|_| byte == 0xc3);
        match after {
            Some(after) if !GLUED.iter().any(|word| after.starts_with(word)) => {
                out.extend_from_slice(b"\xc3\xa0 ");
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

/// Replaces every sequence that lost a byte by U+FFFD.
pub(super) fn replace_lost(bytes: Vec<u8>) -> Vec<u8> {
    if !LOST_BYTE.is_match(&bytes) {
        return bytes;
    }
    LOST_BYTE.replace_all(&bytes, "\u{fffd}".as_bytes()).into_owned()
}

/// Decodes UTF-8 in which characters beyond the basic plane may be surrogate
/// pairs (CESU-8) and NUL may be `C0 80` (Java). `None` if it is neither.
pub(super) fn decode_variants(bytes: Vec<u8>) -> Option<String> {
    if !bytes.contains(&0xed) && !bytes.contains(&0xc0) {
        return String::from_utf8(bytes).ok();
    }
    let mut utf8 = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((&byte, tail)) = rest.split_first() {
        if let [0xc0, 0x80, tail @ ..] = rest {
            utf8.push(0);
            rest = tail;
        } else if let Some((c, tail)) = surrogate_pair(rest) {
            utf8.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = tail;
        } else {
            utf8.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(utf8).ok()
}

/// The character of the six-byte surrogate pair at the start of `bytes`.
fn surrogate_pair(bytes: &[u8]) -> Option<(char, &[u8])> {
    let [0xed, a @ 0xa0..=0xaf, b, 0xed, c @ 0xb0..=0xbf, d, tail @ ..] = bytes else {
        return None;
    };
    if [b, d].iter().any(|&&byte| byte & 0xc0 != 0x80) {
        return None;
    }
    let bits = |byte: &u8, mask: u8, shift: u32| u32::from(byte & mask) << shift;
    let code = bits(a, 0x0f, 16) + bits(b, 0x3f, 10) + bits(c, 0x0f, 6) + bits(d, 0x3f, 0);
    char::from_u32(code + 0x1_0000).map(|c| (c, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a0_comes_back_where_it_makes_utf8() {
        assert_eq!(restore_a0(b"voil\xc3 ".to_vec()), b"voil\xc3\xa0 ");
        assert_eq!(restore_a0(b"\xc3 la".to_vec()), b"\xc3\xa0 la");
        assert_eq!(restore_a0(b"\xc3 s crian".to_vec()), b"\xc3\xa0s crian");
        assert_eq!(restore_a0(b"\xc3 quele".to_vec()), b"\xc3\xa0quele");
        assert_eq!(restore_a0(b"\xf0 \x80\x80".to_vec()), b"\xf0\xa0\x80\x80");
        assert_eq!(restore_a0(b"a b".to_vec()), b"a b");
    }

    #[test]
    fn lost_bytes_become_the_replacement_character() {
        assert_eq!(replace_lost(b"\xe2\x80\x1a!".to_vec()), "\u{fffd}!".as_bytes());
        assert_eq!(replace_lost(b"\xc3?".to_vec()), "\u{fffd}".as_bytes());
        assert_eq!(replace_lost(b"what?".to_vec()), b"what?");
    }

    #[test]
    fn surrogate_pairs_and_java_nul_are_read() {
        assert_eq!(decode_variants(b"\xed\xa0\xbd\xed\xb8\x80".to_vec()).as_deref(), Some("😀"));
        assert_eq!(decode_variants(b"a\xc0\x80b".to_vec()).as_deref(), Some("a\0b"));
        assert_eq!(decode_variants("한글".into()).as_deref(), Some("한글"));
    }

    #[test]
    fn lone_surrogates_and_overlong_forms_are_refused() {
        for bytes in [&b"\xed\xa0\x80"[..], b"\xed\xb0\x80", b"\xc0\x81", b"\xc0", b"\xff"] {
            assert_eq!(decode_variants(bytes.to_vec()), None, "{bytes:x?}");
        }
    }
}
