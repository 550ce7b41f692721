//! What `--reward` says: one reward, or several with weights.

use std::fmt;
use std::str::FromStr;

use hps_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::RewardKind;

/// One or more rewards with their weights, such as `hps-v2.1=1,pickscore=0.5`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RewardSpec(Vec<(RewardKind, f64)>);

impl RewardSpec {
    /// The rewards in the order given; at least one, none twice, weights finite
    /// and not zero.
    pub fn parts(&self) -> &[(RewardKind, f64)] {
        &self.0
    }

    /// The only reward, if it is one with weight 1.
    pub fn single(&self) -> Option<RewardKind> {
        match self.0[..] {
            [(kind, 1.0)] => Some(kind),
            _ => None,
        }
    }
}

impl From<RewardKind> for RewardSpec {
    fn from(kind: RewardKind) -> Self {
        RewardSpec(vec![(kind, 1.0)])
    }
}

impl FromStr for RewardSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts: Vec<(RewardKind, f64)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (id, weight) = match part.split_once('=') {
                Some((id, weight)) => (id.trim(), parse_weight(id, weight.trim())?),
                None => (part, 1.0),
            };
            let kind: RewardKind = id.parse()?;
            if parts.iter().any(|(other, _)| *other == kind) {
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!("reward '{kind}' is named twice"),
                ));
            }
            parts.push((kind, weight));
        }
        let hps = [RewardKind::HpsV20, RewardKind::HpsV21];
        if hps.iter().all(|version| parts.iter().any(|(kind, _)| kind == version)) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "hps-v2.0 and hps-v2.1 cannot be combined: they are versions of one reward",
            )
            .with_hint("Score with one version at a time."));
        }
        Ok(RewardSpec(parts))
    }
}

fn parse_weight(id: &str, text: &str) -> Result<f64> {
    match text.parse::<f64>() {
        Ok(weight) if weight.is_finite() && weight != 0.0 => Ok(weight),
        _ => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("the weight of reward '{id}' is '{text}'"),
        )
        .with_hint("Weights are numbers other than 0, as in `hps-v2.1=1,pickscore=0.5`.")),
    }
}

impl fmt::Display for RewardSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, weight)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match self.single() {
                Some(_) => write!(f, "{kind}")?,
                None => write!(f, "{comma}{kind}={weight}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for RewardSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<RewardSpec> for String {
    fn from(spec: RewardSpec) -> String {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications_round_trip() {
        for text in ["hps-v2.1", "hps-v2.1=0.5", "hps-v2.1=1,pickscore=0.5,aesthetic=-2"] {
            let spec: RewardSpec = text.parse().expect("valid");
            assert_eq!(spec.to_string(), text);
        }
        let spec: RewardSpec = " hps-v2.1 , pickscore = 0.5 ".parse().expect("valid");
        assert_eq!(spec.to_string(), "hps-v2.1=1,pickscore=0.5");
        assert_eq!(spec.single(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            ",",
            "x",
            "hps-v2.1=",
            "hps-v2.1=nan",
            "hps-v2.1=inf",
            "hps-v2.1=0",
            "hps-v2.1,hps-v2.1",
            "hps-v2.0,hps-v2.1",
        ] {
            assert!(text.parse::<RewardSpec>().is_err(), "{text}");
        }
    }
}
