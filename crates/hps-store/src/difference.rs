//! The first difference between two JSON values.

use serde_json::{Map, Value};

/// A place where two values differ.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// The way to the place, such as `parameters.width` or `prompts[1]`.
    pub field: String,
    /// The first value there, `null` if it has none.
    pub old: Value,
    /// The second value there, `null` if it has none.
    pub new: Value,
}

/// The first difference, with keys in sorted order; `field` is the way so far.
///
/// Digests (keys that end in `_sha256`) only differ when both are known.
pub(crate) fn first_difference(field: &str, old: &Value, new: &Value) -> Option<Difference> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => in_objects(field, old, new),
        (Value::Array(old), Value::Array(new)) => in_arrays(field, old, new),
        _ if old == new || is_unknown_digest(field, old, new) => None,
        _ => Some(Difference { field: field.to_owned(), old: old.clone(), new: new.clone() }),
    }
}

fn in_objects(
    field: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Option<Difference> {
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().find_map(|key| {
        let (old, new) = (old.get(key), new.get(key));
        let inner = format!("{field}.{key}");
        first_difference(&inner, old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null))
    })
}

fn in_arrays(field: &str, old: &[Value], new: &[Value]) -> Option<Difference> {
    (0..old.len().max(new.len())).find_map(|index| {
        let (old, new) = (old.get(index), new.get(index));
        let inner = format!("{field}[{index}]");
        first_difference(&inner, old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null))
    })
}

fn is_unknown_digest(field: &str, old: &Value, new: &Value) -> bool {
    field.ends_with("_sha256") && (old.is_null() || new.is_null())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn difference(old: Value, new: Value) -> Option<(String, Value, Value)> {
        first_difference("x", &old, &new).map(|d| (d.field, d.old, d.new))
    }

    #[test]
    fn the_first_difference_is_found_and_named() {
        assert_eq!(difference(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]})), None);
        assert_eq!(
            difference(json!({"a": [1, {"b": 2}], "c": 1}), json!({"a": [1, {"b": 3}], "c": 2})),
            Some(("x.a[1].b".into(), json!(2), json!(3)))
        );
        assert_eq!(
            difference(json!([1]), json!([1, 2])),
            Some(("x[1]".into(), json!(null), json!(2)))
        );
        assert_eq!(difference(json!(1), json!("1")), Some(("x".into(), json!(1), json!("1"))));
    }

    #[test]
    fn unknown_digests_are_no_difference() {
        let known = json!({"weights_sha256": "ab"});
        assert_eq!(difference(known.clone(), json!({"weights_sha256": null})), None);
        assert_eq!(difference(json!({}), known.clone()), None);
        assert!(difference(known, json!({"weights_sha256": "cd"})).is_some());
    }
}
