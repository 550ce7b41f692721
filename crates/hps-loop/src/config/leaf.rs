//! Single values with their types.

use std::fmt;

use config::{Value, ValueKind};
use hps_core::{DeviceSpec, Precision};
use serde::Serialize;

use super::schema::Kind;

/// A single value of a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Leaf {
    /// Text, words and names.
    Text(String),
    /// Whole numbers.
    Integer(u64),
    /// Other numbers, always finite.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
}

impl fmt::Display for Leaf {
    /// The value as TOML writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leaf::Text(text) => toml::Value::String(text.clone()).fmt(f),
            Leaf::Integer(value) => value.fmt(f),
            Leaf::Number(value) => toml::Value::Float(*value).fmt(f),
            Leaf::Boolean(value) => value.fmt(f),
        }
    }
}

impl From<Leaf> for Value {
    fn from(leaf: Leaf) -> Value {
        let kind = match leaf {
            Leaf::Text(text) => ValueKind::String(text),
            Leaf::Integer(value) => ValueKind::U64(value),
            Leaf::Number(value) => ValueKind::Float(value),
            Leaf::Boolean(value) => ValueKind::Boolean(value),
        };
        Value::new(None, kind)
    }
}

impl Leaf {
    /// The value of a variable or flag of this kind.
    ///
    /// # Errors
    ///
    /// What is expected instead.
    pub(super) fn from_text(text: &str, kind: Kind) -> Result<Leaf, String> {
        let leaf = match kind {
            Kind::Integer(..) => text.trim().parse().map(Leaf::Integer).ok(),
            Kind::Number => text.trim().parse().map(Leaf::Number).ok(),
            Kind::Boolean => text.trim().parse().map(Leaf::Boolean).ok(),
            _ => Some(Leaf::Text(text.to_owned())),
        };
        leaf.filter(|leaf| leaf.fits(kind)).ok_or_else(|| expected(kind))
    }

    /// A value as a file gives it, if it is of this kind. Whole numbers are numbers.
    ///
    /// # Errors
    ///
    /// What is expected instead.
    pub(super) fn checked(self, kind: Kind) -> Result<Leaf, String> {
        let leaf = match (self, kind) {
            (Leaf::Integer(value), Kind::Number) => Leaf::Number(value as f64),
            (leaf, _) => leaf,
        };
        if leaf.fits(kind) { Ok(leaf) } else { Err(expected(kind)) }
    }

    fn fits(&self, kind: Kind) -> bool {
        match (self, kind) {
            (Leaf::Text(_), Kind::Text | Kind::Map) => true,
            (Leaf::Text(text), Kind::Choice(words)) => words.contains(&text.as_str()),
            (Leaf::Text(text), Kind::Device) => text.parse::<DeviceSpec>().is_ok(),
            (Leaf::Text(text), Kind::Precision) => text.parse::<Precision>().is_ok(),
            (Leaf::Integer(value), Kind::Integer(min, max)) => (min..=max).contains(value),
            // The settings keep it as f32.
            (Leaf::Number(value), Kind::Number) => (*value as f32).is_finite(),
            (Leaf::Boolean(_), Kind::Boolean) => true,
            _ => false,
        }
    }
}

/// What a kind accepts, to follow "expected".
pub(super) fn expected(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::Device => "cpu, cuda, cuda:N or metal".to_owned(),
        Kind::Precision => {
            let ids: Vec<_> = Precision::ALL.iter().map(|precision| precision.id()).collect();
            format!("one of {}", ids.join(", "))
        }
        Kind::Integer(min, max) => format!("a whole number from {min} to {max}"),
        Kind::Number => "a finite number".to_owned(),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Map => "a table of text values".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn text_becomes_the_kind_of_its_key() {
        let parse = |text, kind| Leaf::from_text(text, kind).ok();
        assert_eq!(parse("8", Kind::Integer(1, 9)), Some(Leaf::Integer(8)));
        assert_eq!(parse("8", Kind::Text), Some(Leaf::Text("8".into())));
        assert_eq!(parse("7", Kind::Number), Some(Leaf::Number(7.0)));
        assert_eq!(parse("true", Kind::Boolean), Some(Leaf::Boolean(true)));
        assert_eq!(parse("cuda:1", Kind::Device), Some(Leaf::Text("cuda:1".into())));
        for (text, kind) in [
            ("0", Kind::Integer(1, 9)),
            ("-1", Kind::Integer(0, 9)),
            ("1.5", Kind::Integer(0, 9)),
            ("nan", Kind::Number),
            ("1e39", Kind::Number),
            ("yes", Kind::Boolean),
            ("gpu", Kind::Device),
            ("f31", Kind::Precision),
            ("c", Kind::Choice(&["a", "b"])),
        ] {
            assert_eq!(parse(text, kind), None, "{text}");
        }
    }

    #[test]
    fn values_print_as_toml() {
        assert_eq!(Leaf::Text("a\"b".into()).to_string().parse::<toml::Value>().unwrap(), {
            toml::Value::String("a\"b".into())
        });
        assert_eq!(Leaf::Number(7.0).to_string(), "7.0");
        assert_eq!(Leaf::Integer(u64::MAX).to_string(), "18446744073709551615");
    }

    #[test]
    fn whole_numbers_are_numbers_but_not_the_reverse() {
        assert_eq!(Leaf::Integer(7).checked(Kind::Number), Ok(Leaf::Number(7.0)));
        assert!(Leaf::Number(7.0).checked(Kind::Integer(0, 9)).is_err());
        assert!(Leaf::Text("7".into()).checked(Kind::Number).is_err());
    }
}
