//! The models built into the program.

use hps_core::{Error, ErrorKind, Result};
use hps_weights::ModelFiles;

/// A bundled model: its name after `bundled:` and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundledModel {
    /// The name after `bundled:`.
    pub name: &'static str,
    /// `generator` or `reward`.
    pub kind: &'static str,
    /// What to know about it.
    pub title: &'static str,
    /// Size of all files in bytes.
    pub size: u64,
}

/// All bundled models; none without the feature `demo`.
pub fn all() -> Vec<BundledModel> {
    #[cfg(feature = "demo")]
    {
        let size = |files: &[hps_demo::BundledFile]| {
            files.iter().map(|(_, bytes)| bytes.len() as u64).sum()
        };
        vec![
            BundledModel {
                name: "demo-generator",
                kind: "generator",
                title: "tiny Stable Diffusion with made-up weights, NOT trained",
                size: size(hps_demo::generator()),
            },
            BundledModel {
                name: "demo-reward",
                kind: "reward",
                title: "tiny CLIP with made-up weights, NOT trained",
                size: size(hps_demo::reward()),
            },
        ]
    }
    #[cfg(not(feature = "demo"))]
    Vec::new()
}

/// The files of the bundled model `name`.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] when this build has none of that name.
pub fn files(name: &str) -> Result<ModelFiles> {
    #[cfg(feature = "demo")]
    {
        let found = match name {
            "demo-generator" => Some(hps_demo::generator()),
            "demo-reward" => Some(hps_demo::reward()),
            _ => None,
        };
        if let Some(found) = found {
            let files = found.iter().map(|&(path, bytes)| (path.to_owned(), bytes)).collect();
            return Ok(ModelFiles::memory(format!("bundled:{name}"), files));
        }
    }
    let names: Vec<String> = all().iter().map(|model| format!("bundled:{}", model.name)).collect();
    let hint = match names.is_empty() {
        true => "This build carries no models; build it with the feature `demo`.".to_owned(),
        false => format!("There are {}.", names.join(" and ")),
    };
    Err(Error::new(ErrorKind::NotFound, format!("no bundled model is called '{name}'"))
        .with_hint(hint))
}
