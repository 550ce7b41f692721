//! The promises of reading comparisons, on arbitrary and on nearly right input: the
//! same that the fuzz target checks.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::io::BufReader;

use hps_train::data::{Comparison, Dataset, Preference, ReadOptions};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(bytes: &[u8]) -> Option<Dataset> {
    Dataset::from_reader(bytes, "x.json", &ReadOptions::default()).ok()
}

fn check(data: &Dataset) {
    assert_eq!(data.items, data.comparisons.len() + data.broken.len());
    let ids: HashSet<&str> = data.comparisons.iter().map(|comparison| &*comparison.id).collect();
    assert_eq!(ids.len(), data.comparisons.len());
    assert!(data.broken.windows(2).all(|pair| pair[0].index < pair[1].index));
    data.comparisons.iter().for_each(check_comparison);
}

fn check_comparison(comparison: &Comparison) {
    let images = comparison.images.len();
    assert!(images > 0);
    assert_eq!(comparison.preference.len(), images);
    assert!(comparison.annotations.iter().all(|ranks| ranks.len() == images));
    assert!(comparison.generators.is_empty() || comparison.generators.len() == images);
    if let Preference::Label(label) = &comparison.preference {
        assert!(label.iter().all(|share| share.is_finite() && *share >= 0.0));
    }
    for smoothing in [0.0, 0.3, 1.0] {
        let soft = comparison.preference.soft_label(smoothing);
        assert!(soft.iter().all(|share| (0.0..=1.0).contains(share)), "{soft:?}");
        let sum: f64 = soft.iter().map(|&share| f64::from(share)).sum();
        assert!((sum - 1.0).abs() < 1e-4, "{soft:?}");
    }
    assert!(!comparison.preference.best().is_empty());
}

/// Values of every kind where the formats have theirs.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2..5i64).prop_map(Value::from),
        "[a-c/]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            inner.prop_map(|rank| json!({ "rank": rank })),
        ]
    })
}

const KEYS: [&str; 14] = [
    "id",
    "prompt",
    "file_path",
    "human_preference",
    "image_path",
    "rank",
    "raw_annotations",
    "generations",
    "ranking",
    "images",
    "label",
    "annotations",
    "generators",
    "other",
];

/// An item that is right, and then perhaps one of its values is something else.
fn item() -> impl Strategy<Value = Value> {
    let images = proptest::collection::vec("[a-c]/[0-9]{1,2}", 1..5);
    let edit = proptest::option::of((0..KEYS.len(), value()));
    (0..4usize, images, proptest::collection::vec(0..9u32, 5), edit).prop_map(
        |(format, images, numbers, edit)| {
            let numbers = &numbers[..images.len()];
            let mut item = match format {
                0 => json!({"prompt": "p", "file_path": images, "human_preference": numbers}),
                1 => json!({"prompt": "p", "image_path": images, "rank": numbers,
                    "raw_annotations": [{"rank": numbers, "user_hash": "x"}]}),
                2 => json!({"id": numbers[0], "prompt": "p", "generations": images,
                    "ranking": numbers}),
                _ => json!({"prompt": "p", "images": images, "rank": numbers}),
            };
            if let Some((key, value)) = edit {
                item[KEYS[key]] = value;
            }
            item
        },
    )
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(data) = read(&bytes) {
            check(&data);
        }
    }

    #[test]
    fn almost_json_never_panics(text in "[\\[{][\\[\\]{}\",:a0\\\\ \n]{0,60}") {
        if let Some(data) = read(text.as_bytes()) {
            check(&data);
        }
    }

    #[test]
    fn wrong_values_never_panic(items in proptest::collection::vec(item(), 1..6)) {
        if let Some(data) = read(&serde_json::to_vec(&items).unwrap()) {
            prop_assert_eq!(data.items, items.len());
            check(&data);
        }
    }

    #[test]
    fn arrays_and_lines_say_the_same(
        items in proptest::collection::vec(item(), 1..6), capacity in 1..40usize,
    ) {
        let lines: Vec<String> = items.iter().map(Value::to_string).collect();
        let array = serde_json::to_vec_pretty(&items).unwrap();
        let small = BufReader::with_capacity(capacity, &array[..]);
        let small = Dataset::from_reader(small, "x.json", &ReadOptions::default()).ok();
        let lines = read(lines.join("\n").as_bytes());
        prop_assert_eq!(&small, &read(&array));
        let usable = |data: &Option<Dataset>| data.as_ref().map(|data| data.comparisons.clone());
        prop_assert_eq!(usable(&small), usable(&lines));
    }

    #[test]
    fn a_cut_file_is_an_error_and_never_a_shorter_set(
        items in proptest::collection::vec(item(), 1..4), share in 0.0..1.0f64,
    ) {
        let whole = serde_json::to_vec(&items).unwrap();
        let cut = (whole.len() as f64 * share) as usize;
        prop_assert_eq!(read(&whole[..cut]), None);
    }
}
