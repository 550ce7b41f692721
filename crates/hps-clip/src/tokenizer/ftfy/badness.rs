//! Does a text look like UTF-8 that was read in the wrong encoding?
//!
//! Only some 400 characters occur in such text. They are put into classes, and
//! a rule is a run of classes that nobody writes on purpose, such as an accented
//! lower-case letter before a currency sign. Classes and rules are those of
//! ftfy 6.3, so that the same prompts are repaired.

use std::sync::LazyLock;

use regex::Regex;

use crate::tokenizer::clean::is_space;

/// True if some run of characters in `text` matches a rule.
pub(super) fn is_bad(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let chars: Vec<(char, u32)> = text.chars().map(|c| (c, classes(c))).collect();
    starts_with(&chars, AT_START) || (0..chars.len()).any(|at| any_rule(&chars[at..]))
}

fn any_rule(chars: &[(char, u32)]) -> bool {
    chars.first().is_some_and(|&(_, class)| class & C1 != 0)
        || RULES.iter().any(|rule| starts_with(chars, rule))
}

fn starts_with(chars: &[(char, u32)], rule: &[Set]) -> bool {
    chars.len() >= rule.len() && rule.iter().zip(chars).all(|(set, &c)| set.contains(c))
}

/// Members of any of some classes, and some characters besides.
struct Set {
    classes: u32,
    chars: &'static str,
}

impl Set {
    fn contains(&self, (c, class): (char, u32)) -> bool {
        self.classes & class != 0
            || self.chars.contains(c)
            || (self.classes & WORD != 0 && is_word(c))
    }
}

const fn any(classes: u32) -> Set {
    Set { classes, chars: "" }
}

const fn one_of(chars: &'static str) -> Set {
    Set { classes: 0, chars }
}

const fn both(classes: u32, chars: &'static str) -> Set {
    Set { classes, chars }
}

/// In many contexts; no sign of anything on their own.
const COMMON: u32 = 1;
/// C1 control characters, found nowhere else.
const C1: u32 = 1 << 1;
/// Hardly found anywhere else.
const BAD: u32 = 1 << 2;
const LAW: u32 = 1 << 3;
const CURRENCY: u32 = 1 << 4;
/// Punctuation that starts something.
const START: u32 = 1 << 5;
/// Punctuation that ends something.
const END: u32 = 1 << 6;
const NUMERIC: u32 = 1 << 7;
/// Letters that people build faces from.
const KAOMOJI: u32 = 1 << 8;
const UPPER: u32 = 1 << 9;
const LOWER: u32 = 1 << 10;
/// Letters of other alphabets, and those that often end a word.
const UPPER_COMMON: u32 = 1 << 11;
const LOWER_COMMON: u32 = 1 << 12;
const BOX: u32 = 1 << 13;
const ASCII_UPPER: u32 = 1 << 14;
const ASCII_LOWER: u32 = 1 << 15;
const NOT_ASCII_LETTER: u32 = 1 << 16;
const SPACE: u32 = 1 << 17;
const NOT_NEWLINE: u32 = 1 << 18;
/// Python's `\w`; found by [`is_word`], as few rules ask for it.
const WORD: u32 = 1 << 19;

const ACCENTED: u32 = LOWER | UPPER;
const ASCII_LETTER: u32 = ASCII_LOWER | ASCII_UPPER;
/// What makes a character of class `BAD` beside it suspicious.
const BESIDE_BAD: u32 = ACCENTED | BOX | START | END | CURRENCY | NUMERIC | LAW;

fn classes(c: char) -> u32 {
    let ascii = match c {
        'A'..='Z' => ASCII_UPPER,
        'a'..='z' => ASCII_LOWER,
        _ => NOT_ASCII_LETTER,
    };
    let space = if is_space(c) { SPACE } else { 0 };
    let newline = if c == '\n' { 0 } else { NOT_NEWLINE };
    ascii | space | newline | if c.is_ascii() { 0 } else { mojibake_class(c) }
}

#[rustfmt::skip]
fn mojibake_class(c: char) -> u32 {
    match c {
        '\u{a0}' | '\u{ad}' | '´' | '·' | '–'..='―' | '’' | '…' => COMMON,
        '\u{80}'..='\u{9f}' => C1,
        '¤' | '¦' | '¨' | 'ª' | '¬' | '¯' | '¸' | 'º' | 'ƒ' | 'ˆ' | 'ˇ' | '˘' | '˛' | '˜' | '†'
        | '‡' | '‰' | '⌐' | '◊' | '\u{fffd}' => BAD,
        '§' | '¶' => LAW,
        '¢' | '£' | '¥' | '₧' | '€' => CURRENCY,
        '¡' | '©' | '«' | '¿' | '΄' | '΅' | '‘' | '‚' | '“' | '„' | '•' | '‹' | '\u{f8ff}' => START,
        '®' | '»' | '˝' | '”' | '›' | '™' => END,
        '±'..='³' | 'µ' | '¹' | '¼'..='¾' | '×' | '÷' | '⁄' | '№' | '∂' | '∆' | '∏' | '∑' | '√'
        | '∞' | '∩' | '∫' | '≈' | '≠' | '≡' | '≤' | '≥' => NUMERIC,
        'Ü' => KAOMOJI | UPPER,
        'ü' => KAOMOJI | LOWER,
        '°' | 'Ò'..='Ö' | 'Ù'..='Û' | 'ò'..='ö' | 'ø'..='û' | 'Ō' | 'Ő' | 'Ū' | 'Ų' => KAOMOJI,
        'À'..='Ñ' | 'Ø' | 'Ý' | 'Ā' | 'Ă' | 'Ą' | 'Ć' | 'Č' | 'Ď' | 'Đ' | 'Ē' | 'Ė' | 'Ę' | 'Ě'
        | 'Ğ' | 'Ģ' | 'Ī' | 'İ' | 'Ķ' | 'Ĺ' | 'Ļ' | 'Ľ' | 'Ł' | 'Ń' | 'Ņ' | 'Ň' | 'Œ' | 'Ř' | 'Ś'
        | 'Ş' | 'Š' | 'Ţ' | 'Ť' | 'Ů' | 'Ű' | 'Ÿ' | 'Ź' | 'Ż' | 'Ž' | 'Ґ' => UPPER,
        'ß'..='ñ' | 'ā' | 'ă' | 'ą' | 'ć' | 'č' | 'ď' | 'đ' | 'ē' | 'ė' | 'ę' | 'ě' | 'ğ' | 'ģ'
        | 'ī' | 'į' | 'ķ' | 'ĺ' | 'ļ' | 'ľ' | 'ł' | 'œ' | 'ŕ' | 'ś' | 'ş' | 'š' | 'ť' | 'ź' | 'ż'
        | 'ž' | 'ґ' | 'ﬁ' | 'ﬂ' => LOWER,
        'Þ' | 'Ά' | 'Έ'..='Ί' | 'Ό' | 'Ύ' | 'Ώ' | 'Α'..='Ϋ' | 'Ё'..='Я' => UPPER_COMMON,
        'ά'..='ω' | 'а'..='џ' => LOWER_COMMON,
        // The single horizontal line is left out, faces have it.
        '│' | '┌' | '┐' | '┘' | '├' | '┤' | '┬' | '┼' | '═'..='╬' | '▀' | '▄' | '█' | '▌'
        | '▐'..='▓' => BOX,
        _ => 0,
    }
}

/// Runs that are bad at the very start of a text.
const AT_START: &[Set] = &[one_of("ÃÂ"), one_of(" ")];

/// What may follow `Ø` or `Ù` in Arabic read as windows-1252.
const AFTER_ARABIC_LEAD: Set = both(COMMON | CURRENCY | BAD | NUMERIC | START, "ŸŠ®°µ»");

#[rustfmt::skip]
static RULES: &[&[Set]] = &[
    &[any(BESIDE_BAD | BAD), any(BAD)],
    &[any(ASCII_LETTER), any(LOWER_COMMON | UPPER_COMMON), any(BAD)],
    &[any(BAD), any(BESIDE_BAD)],
    &[any(LOWER | LOWER_COMMON | BOX | END | CURRENCY | NUMERIC), any(UPPER)],
    &[any(BOX | END | CURRENCY | NUMERIC), any(LOWER)],
    &[any(LOWER | BOX | END), any(CURRENCY)],
    &[any(SPACE), any(UPPER), any(CURRENCY)],
    &[any(UPPER | BOX), any(NUMERIC | LAW)],
    &[any(ACCENTED | BOX | CURRENCY | END), any(START), any(NUMERIC)],
    &[any(ACCENTED | CURRENCY | NUMERIC | BOX | LAW), any(END), any(START)],
    &[any(CURRENCY | NUMERIC | BOX), any(START)],
    &[any(ASCII_LOWER), any(UPPER), any(START | CURRENCY)],
    &[any(BOX), any(KAOMOJI)],
    &[any(ACCENTED | CURRENCY | NUMERIC | START | END | LAW), any(BOX)],
    &[any(BOX), any(END)],
    &[any(ACCENTED), any(START | END), any(WORD)],
    &[one_of("Œœ"), any(NOT_ASCII_LETTER)],
    &[any(UPPER), one_of("°")],
    // windows-1252
    &[one_of("ÂÃÎÐ"), both(START | END, "€œŠš¢£Ÿž\u{a0}\u{ad}®©°·»–—´")],
    &[one_of("×"), one_of("²³")],
    &[one_of("ØÙ"), AFTER_ARABIC_LEAD, one_of("ØÙ"), AFTER_ARABIC_LEAD],
    &[one_of("à"), one_of("²µ¹¼½¾")],
    &[one_of("Ã"), one_of("\u{a0}¡")],
    &[any(ASCII_LOWER), one_of("ÃÂ"), one_of(" ")],
    &[any(ASCII_LOWER), any(SPACE), one_of("ÃÂ"), one_of(" ")],
    &[both(ASCII_LOWER | END, ".,?!"), one_of("Â"), both(START | END, " ")],
    // Mac OS Roman
    &[one_of("√"), one_of("±∂†≠®™´≤≥¥µø")],
    &[one_of("≈"), one_of("°¢")],
    &[one_of("‚"), one_of("Ä"), one_of("ìîïòôúùû†°¢π")],
    &[one_of("‚"), one_of("âó"), one_of("àä°ê")],
    // windows-1251
    &[one_of("в"), one_of("Ђ")],
    &[one_of("ВГРС"), both(C1 | BAD | START | END | CURRENCY, "°µ"), one_of("ВГРС")],
    &[one_of("Г"), one_of("ў"), one_of("В"), one_of("Ђ"), one_of("В"), any(NOT_NEWLINE),
      both(ASCII_LETTER, " ")],
    // windows-1253
    &[one_of("β"), one_of("€"), one_of("™\u{a0}Ά\u{ad}®°")],
    &[one_of("ΒΓΞΟ"), both(C1 | BAD | START | END | CURRENCY, "°"), one_of("ΒΓΞΟ")],
    // windows-1257
    &[one_of("ā"), one_of("€")],
];

/// Python's `\w`.
fn is_word(c: char) -> bool {
    static WORD_CHAR: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]").expect("a constant pattern"));
    WORD_CHAR.is_match(c.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misread_text_is_bad() {
        for text in
            ["schÃ¶n", "â€œquotesâ€\u{9d}", "вЂњ", "wei√ü x √©", "NicolÃ¡s", "Ã la", "\u{85}"]
        {
            assert!(is_bad(text), "{text:?}");
        }
    }

    #[test]
    fn what_people_write_is_not_bad() {
        let texts = [
            "",
            "plain",
            "naïve café",
            "VOCÊ…",
            "4288×…",
            "(ò_ó)",
            "Œuvre",
            "5×£35",
            "∆°",
            "12 °C",
            "日本語",
            "Привет",
        ];
        for text in texts {
            assert!(!is_bad(text), "{text:?}");
        }
    }

    #[test]
    fn the_start_of_the_text_is_a_context() {
        assert!(is_bad("Ã perturber"));
        assert!(!is_bad("C O N C L U S Ã O"));
    }
}
