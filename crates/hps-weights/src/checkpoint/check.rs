//! Comparing a checkpoint with what an architecture needs.

use std::collections::HashMap;
use std::fmt::Write;

use hps_core::Result;

use super::Checkpoint;
use super::convert::is_float;

/// How many tensors of each sort an error lists.
const LISTED: usize = 8;

/// A tensor that an architecture needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its full name.
    pub name: String,
    /// The size of each dimension.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// The tensor called `name` with this shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        TensorSpec { name: name.into(), shape: shape.into() }
    }
}

impl Checkpoint {
    /// Checks that the checkpoint has exactly the `expected` tensors, as floats of the expected
    /// shapes. Surplus tensors are allowed when their name, or its last component, is one of
    /// `ignored` (e.g. `position_ids` or `attn_mask`).
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidWeights`] listing missing, misshaped and surplus tensors,
    /// at most 8 of each.
    pub fn check(&self, expected: &[TensorSpec], ignored: &[&str]) -> Result<()> {
        let mut report = Report::default();
        for spec in expected {
            match self.info(&spec.name) {
                None => report.missing.push(format!("{} {:?}", spec.name, spec.shape)),
                Some(info) if info.shape != spec.shape || !is_float(info.dtype) => {
                    report.different.push(format!(
                        "{} is {} {:?}, expected {:?}",
                        spec.name, info.dtype, info.shape, spec.shape
                    ));
                }
                Some(_) => {}
            }
        }
        let known: HashMap<_, _> = expected.iter().map(|spec| (spec.name.as_str(), ())).collect();
        let is_ignored = |name: &str| {
            let last = name.rsplit('.').next().unwrap_or(name);
            ignored.iter().any(|ignored| *ignored == name || *ignored == last)
        };
        for (name, info) in self.tensors() {
            if !known.contains_key(name) && !is_ignored(name) {
                report.surplus.push(format!("{name} {:?}", info.shape));
            }
        }
        report.into_result(self)
    }
}

#[derive(Default)]
struct Report {
    missing: Vec<String>,
    different: Vec<String>,
    surplus: Vec<String>,
}

impl Report {
    fn into_result(self, checkpoint: &Checkpoint) -> Result<()> {
        if self.missing.is_empty() && self.different.is_empty() && self.surplus.is_empty() {
            return Ok(());
        }
        let mut what = "the tensors do not fit the architecture".to_owned();
        list(&mut what, "missing", &self.missing);
        list(&mut what, "of a different shape or type", &self.different);
        list(&mut what, "not expected", &self.surplus);
        Err(checkpoint.invalid(what).with_hint(format!(
            "The file has {} tensors with {}. Check that it belongs to the chosen model.",
            checkpoint.len(),
            checkpoint.layout()
        )))
    }
}

fn list(text: &mut String, title: &str, names: &[String]) {
    let Some(shown) = names.get(..names.len().min(LISTED)).filter(|shown| !shown.is_empty()) else {
        return;
    };
    let _ = write!(text, "; {} {title}: {}", names.len(), shown.join(", "));
    if names.len() > LISTED {
        let _ = write!(text, " and {} more", names.len() - LISTED);
    }
}
