//! Checks against values computed by the public Python packages.
//!
//! The values lie in `tests/fixtures`, or in the folder that `HPS_FIXTURES`
//! names (`$HPS_FIXTURES/reward`, `$HPS_FIXTURES/generator`): files, sizes,
//! prompts, variants and schedulers are read from it, so that values made with
//! another seed and size check just as well. What is absent there, or not
//! supported yet, is reported as skipped by name.
//!
//! `HPS_FULL_CHECKPOINT` names the full-size checkpoint that
//! `scripts/check_full_checkpoint.py` makes; without it `full_scores.json` is
//! skipped.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "fixture_checks/full_size.rs"]
mod full_size;
#[path = "fixture_checks/generator.rs"]
mod generator;
#[path = "fixture_checks/geometry.rs"]
mod geometry;
#[path = "fixture_checks/metrics.rs"]
mod metrics;
#[path = "fixture_checks/place.rs"]
mod place;
#[path = "fixture_checks/preprocess.rs"]
mod preprocess;
#[path = "fixture_checks/scores.rs"]
mod scores;
#[path = "fixture_checks/tokens.rs"]
mod tokens;
#[path = "fixture_checks/training.rs"]
mod training;
