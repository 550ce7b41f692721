//! `resize_geometry.json`: sizes and padding.

use hps_reward::preprocess::Geometry;
use serde::Deserialize;

use crate::place;

#[derive(Deserialize)]
struct Cases {
    rows: Vec<[usize; 9]>,
}

#[test]
fn sizes_and_padding_are_those_of_the_reference() {
    let Some(cases) = place::json::<Cases>("reward", "resize_geometry.json") else { return };
    assert!(!cases.rows.is_empty());
    for &[h, w, target, height, width, pad_left, pad_top, pad_right, pad_bottom] in &cases.rows {
        let expected = Geometry { height, width, pad_left, pad_top, pad_right, pad_bottom };
        assert_eq!(Geometry::longest_side(h as u32, w as u32, target), expected, "{h}x{w}");
    }
    println!("{} of {} sizes identical", cases.rows.len(), cases.rows.len());
}
