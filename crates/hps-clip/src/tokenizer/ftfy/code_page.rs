//! The single-byte encodings in which UTF-8 text is commonly misread.
//!
//! The tables are those of the Unicode consortium's mapping files. Bytes that
//! windows-125x leaves unassigned stand for the code point of the same number,
//! as in the WHATWG encoding standard.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The byte that a lossy code page encodes U+FFFD as: ASCII "substitute".
pub(super) const SUBSTITUTE: u8 = 0x1a;

/// A single-byte encoding whose lower half is ASCII.
pub(super) struct CodePage {
    high: [char; 128],
    bytes: HashMap<char, u8>,
    kind: Kind,
}

/// What sets a code page apart when text is repaired.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// ISO 8859-1, whose upper half is U+0080 to U+00FF.
    Latin1,
    /// A Windows code page, where U+FFFD takes the place of U+001A.
    Windows,
    /// Any other.
    Other,
    /// Mac OS Roman, where an en dash before a space looks like damaged UTF-8.
    MacRoman,
}

impl CodePage {
    fn new(high: &str, kind: Kind) -> Self {
        let mut chars = high.chars();
        // Every table has 128 characters, see the tests.
        let high: [char; 128] = std::array::from_fn(|_| chars.next().unwrap_or('\u{fffd}'));
        let mut bytes: HashMap<char, u8> = (0x80..=0xff).zip(high).map(|(b, c)| (c, b)).collect();
        if kind == Kind::Windows {
            bytes.insert('\u{fffd}', SUBSTITUTE);
        }
        CodePage { high, bytes, kind }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes of `text`, or `None` if it has a character of no byte.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        text.chars().map(|c| self.byte(c)).collect()
    }

    fn byte(&self, c: char) -> Option<u8> {
        match u8::try_from(c) {
            Ok(SUBSTITUTE) if self.kind == Kind::Windows => None,
            Ok(byte) if byte.is_ascii() => Some(byte),
            _ => self.bytes.get(&c).copied(),
        }
    }

    /// The character of `byte`.
    pub(super) fn decode(&self, byte: u8) -> char {
        match byte {
            SUBSTITUTE if self.kind == Kind::Windows => '\u{fffd}',
            0..=0x7f => char::from(byte),
            _ => self.high[usize::from(byte & 0x7f)],
        }
    }
}

/// The code pages in the order in which a repair tries them.
pub(super) static CODE_PAGES: LazyLock<[CodePage; 10]> = LazyLock::new(|| {
    let latin1: String = ('\u{80}'..='\u{ff}').collect();
    [
        CodePage::new(&latin1, Kind::Latin1),
        CodePage::new(WINDOWS_1252, Kind::Windows),
        CodePage::new(WINDOWS_1251, Kind::Windows),
        CodePage::new(WINDOWS_1250, Kind::Windows),
        CodePage::new(WINDOWS_1253, Kind::Windows),
        CodePage::new(WINDOWS_1254, Kind::Windows),
        CodePage::new(WINDOWS_1257, Kind::Windows),
        CodePage::new(ISO_8859_2, Kind::Other),
        CodePage::new(MAC_ROMAN, Kind::MacRoman),
        CodePage::new(CP437, Kind::Other),
    ]
});

/// The code pages that agree with ISO 8859-1 on what most bytes are for:
/// ISO 8859-1 itself and those of Windows.
pub(super) fn latin1_like() -> impl Iterator<Item = &'static CodePage> {
    CODE_PAGES.iter().filter(|page| matches!(page.kind, Kind::Latin1 | Kind::Windows))
}

/// What windows-1252 has at the place of the C1 control character `c`. The
/// five unassigned ones stay as they are.
pub(in crate::tokenizer) fn c1_to_windows_1252(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' => CODE_PAGES[1].decode(u32::from(c) as u8),
        _ => c,
    }
}

const WINDOWS_1252: &str = concat!(
    "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}",
    "\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ",
    "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯",
    "°±²³´µ¶·¸¹º»¼½¾¿",
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ",
    "ÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß",
    "àáâãäåæçèéêëìíîï",
    "ðñòóôõö÷øùúûüýþÿ",
);
const WINDOWS_1251: &str = concat!(
    "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏ",
    "ђ‘’“”•–—\u{98}™љ›њќћџ",
    "\u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї",
    "°±Ііґµ¶·ё№є»јЅѕї",
    "АБВГДЕЖЗИЙКЛМНОП",
    "РСТУФХЦЧШЩЪЫЬЭЮЯ",
    "абвгдежзийклмноп",
    "рстуфхцчшщъыьэюя",
);
const WINDOWS_1250: &str = concat!(
    "€\u{81}‚\u{83}„…†‡\u{88}‰Š‹ŚŤŽŹ",
    "\u{90}‘’“”•–—\u{98}™š›śťžź",
    "\u{a0}ˇ˘Ł¤Ą¦§¨©Ş«¬\u{ad}®Ż",
    "°±˛ł´µ¶·¸ąş»Ľ˝ľż",
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎ",
    "ĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß",
    "ŕáâăäĺćçčéęëěíîď",
    "đńňóôőö÷řůúűüýţ˙",
);
const WINDOWS_1253: &str = concat!(
    "€\u{81}‚ƒ„…†‡\u{88}‰\u{8a}‹\u{8c}\u{8d}\u{8e}\u{8f}",
    "\u{90}‘’“”•–—\u{98}™\u{9a}›\u{9c}\u{9d}\u{9e}\u{9f}",
    "\u{a0}΅Ά£¤¥¦§¨©ª«¬\u{ad}®―",
    "°±²³΄µ¶·ΈΉΊ»Ό½ΎΏ",
    "ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟ",
    "ΠΡÒΣΤΥΦΧΨΩΪΫάέήί",
    "ΰαβγδεζηθικλμνξο",
    "πρςστυφχψωϊϋόύώÿ",
);
const WINDOWS_1254: &str = concat!(
    "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}\u{8e}\u{8f}",
    "\u{90}‘’“”•–—˜™š›œ\u{9d}\u{9e}Ÿ",
    "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯",
    "°±²³´µ¶·¸¹º»¼½¾¿",
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ",
    "ĞÑÒÓÔÕÖ×ØÙÚÛÜİŞß",
    "àáâãäåæçèéêëìíîï",
    "ğñòóôõö÷øùúûüışÿ",
);
const WINDOWS_1257: &str = concat!(
    "€\u{81}‚\u{83}„…†‡\u{88}‰\u{8a}‹\u{8c}¨ˇ¸",
    "\u{90}‘’“”•–—\u{98}™\u{9a}›\u{9c}¯˛\u{9f}",
    "\u{a0}¡¢£¤¥¦§Ø©Ŗ«¬\u{ad}®Æ",
    "°±²³´µ¶·ø¹ŗ»¼½¾æ",
    "ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻ",
    "ŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽß",
    "ąįāćäåęēčéźėģķīļ",
    "šńņóōõö÷ųłśūüżž˙",
);
const ISO_8859_2: &str = concat!(
    "\u{80}\u{81}\u{82}\u{83}\u{84}\u{85}\u{86}\u{87}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{8d}\u{8e}\u{8f}",
    "\u{90}\u{91}\u{92}\u{93}\u{94}\u{95}\u{96}\u{97}\u{98}\u{99}\u{9a}\u{9b}\u{9c}\u{9d}\u{9e}\u{9f}",
    "\u{a0}Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u{ad}ŽŻ",
    "°ą˛ł´ľśˇ¸šşťź˝žż",
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎ",
    "ĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß",
    "ŕáâăäĺćçčéęëěíîď",
    "đńňóôőö÷řůúűüýţ˙",
);
const MAC_ROMAN: &str = concat!(
    "ÄÅÇÉÑÖÜáàâäãåçéè",
    "êëíìîïñóòôöõúùûü",
    "†°¢£§•¶ß®©™´¨≠ÆØ",
    "∞±≤≥¥µ∂∑∏π∫ªºΩæø",
    "¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ",
    "–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ",
    "‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ",
    "\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
);
const CP437: &str = concat!(
    "ÇüéâäàåçêëèïîìÄÅ",
    "ÉæÆôöòûùÿÖÜ¢£¥₧ƒ",
    "áíóúñÑªº¿⌐¬½¼¡«»",
    "░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧",
    "╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
    "αßΓπΣσµτΦΘΩδ∞φε∩",
    "≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_table_is_a_bijection_of_128_characters() {
        let tables = [
            WINDOWS_1252,
            WINDOWS_1251,
            WINDOWS_1250,
            WINDOWS_1253,
            WINDOWS_1254,
            WINDOWS_1257,
            ISO_8859_2,
            MAC_ROMAN,
            CP437,
        ];
        for table in tables {
            assert_eq!(table.chars().count(), 128);
        }
        for page in CODE_PAGES.iter() {
            for byte in 0..=u8::MAX {
                assert_eq!(page.byte(page.decode(byte)), Some(byte));
            }
        }
    }

    #[test]
    fn known_bytes_have_known_characters() {
        let [_, w1252, w1251, _, w1253, _, _, _, mac, cp437] = &*CODE_PAGES;
        assert_eq!(w1252.encode("€\u{81}\u{fffd}").unwrap(), [0x80, 0x81, SUBSTITUTE]);
        assert_eq!(w1251.encode("ж№").unwrap(), [0xe6, 0xb9]);
        assert_eq!(w1253.decode(0xaa), '\u{aa}');
        assert_eq!(mac.encode("√∂").unwrap(), [0xc3, 0xb6]);
        assert_eq!(cp437.decode(0xb0), '░');
    }

    #[test]
    fn characters_without_a_byte_are_refused() {
        let [latin1, w1252, ..] = &*CODE_PAGES;
        assert!(latin1.encode("€").is_none());
        assert!(latin1.encode("\u{1a}").is_some());
        assert!(w1252.encode("\u{1a}").is_none());
        assert!(w1252.encode("日").is_none());
    }
}
