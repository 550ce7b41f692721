//! A run that is killed at any moment and resumed ends like one that was not.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use crate::checkpoint::armed::killed_after;
use crate::fixture::{logged_session, resume, session, snapshot};

type Files = BTreeMap<String, Vec<u8>>;

fn undisturbed(top: Option<usize>, order: &[u32]) -> Files {
    let dir = tempfile::tempdir().unwrap();
    session(dir.path(), top, order).unwrap();
    snapshot(dir.path())
}

/// Kills a session after every possible number of changes to a folder made by
/// `prepare`. Then nothing that was done has to be done again, and a resumed session
/// ends like one that was not killed.
fn kill_everywhere(prepare: impl Fn(&Path), top: Option<usize>, order: &[u32]) {
    let reference = undisturbed(top, order);
    for changes in 0.. {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let mut done = Vec::new();
        let (result, survived) =
            killed_after(changes, || logged_session(dir.path(), top, order, &mut done));
        if survived {
            assert!(changes > 30, "only {changes} changes were seen");
            assert_eq!(snapshot(dir.path()), reference);
            return;
        }
        assert!(result.is_err(), "a kill after {changes} changes was not noticed");
        let kept = resume(dir.path(), top, order.len() as u32).unwrap().1.completed();
        let lost: Vec<u32> = done.into_iter().filter(|index| !kept.contains_key(index)).collect();
        assert!(lost.is_empty(), "a kill after {changes} changes lost {lost:?}");
        session(dir.path(), top, order).unwrap();
        assert_eq!(snapshot(dir.path()), reference, "killed after {changes} changes");
    }
}

#[test]
fn the_final_folder_is_as_documented() {
    let files = undisturbed(None, &[0, 1, 2, 3]);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["01.png", "02.png", "03.png", "best.png", "candidates.jsonl"]);
    assert_eq!(files["best.png"], files["01.png"]);
    let files = undisturbed(Some(1), &[0, 1, 2, 3]);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["01.png", "best.png", "candidates.jsonl"]);
}

#[test]
fn a_new_run_survives_a_kill_anywhere() {
    kill_everywhere(|_| {}, None, &[0, 1, 2]);
}

#[test]
fn a_grown_run_survives_a_kill_anywhere() {
    let prepare = |dir: &Path| drop(session(dir, None, &[0, 1]).unwrap());
    kill_everywhere(prepare, None, &[0, 1, 2, 3, 4]);
}

#[test]
fn a_run_that_keeps_the_best_survives_a_kill_anywhere() {
    let prepare = |dir: &Path| drop(session(dir, Some(2), &[0, 1, 2, 3]).unwrap());
    kill_everywhere(prepare, Some(2), &[0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_run_that_keeps_more_than_before_survives_a_kill_anywhere() {
    let prepare = |dir: &Path| drop(session(dir, Some(1), &[0, 1, 2, 3]).unwrap());
    kill_everywhere(prepare, None, &[0, 1, 2, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_order_and_any_number_of_kills_end_the_same(
        order in Just(vec![0u32, 1, 2, 3, 4, 5]).prop_shuffle(),
        top in prop::option::of(1usize..7),
        kills in prop::collection::vec(0usize..60, 0..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        for changes in kills {
            let _ = killed_after(changes, || session(dir.path(), top, &order));
        }
        session(dir.path(), top, &order).unwrap();
        prop_assert_eq!(snapshot(dir.path()), undisturbed(top, &[0, 1, 2, 3, 4, 5]));
    }
}
