//! Names of tensors: what checkpoints call them, and open_clip's names, which this project uses.
//!
//! The same CLIP weights circulate under many names. Published HPS v2 files keep open_clip's
//! names in a dictionary `state_dict`; conversions have them bare, with the prefixes that
//! wrapping modules add (`model.`, `module.`), or in the layout of the `transformers` package.

mod hf_clip;
mod prefix;

use std::collections::BTreeMap;
use std::fmt;

/// How to make a tensor from those of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// The tensor as it is.
    Plain(String),
    /// The tensor with its last two dimensions exchanged.
    Transposed(String),
    /// Several tensors joined along their first dimension.
    Concat(Vec<String>),
}

/// Who names tensors this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Naming {
    /// open_clip's `CLIP`: `visual.conv1.weight`, `transformer.resblocks.0.…`.
    OpenClip,
    /// `CLIPModel` of transformers: `text_model.…` and `vision_model.…`.
    HfClip,
    /// `CLIPTextModel` and `CLIPTextModelWithProjection` of transformers, as in the text encoder
    /// folders of diffusers; since transformers 5 without `text_model.`.
    HfClipText,
    /// `CLIPVisionModel` and `CLIPVisionModelWithProjection` of transformers.
    HfClipVision,
    /// Any other model; its names are used as they are.
    Other,
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Naming::OpenClip => "open_clip names",
            Naming::HfClip => "transformers CLIPModel names",
            Naming::HfClipText => "transformers CLIPTextModel names",
            Naming::HfClipVision => "transformers CLIPVisionModel names",
            Naming::Other => "names of its own",
        })
    }
}

/// How a file names its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    naming: Naming,
    prefix: String,
    ignored: usize,
}

impl Layout {
    /// Recognises the layout of a list of names.
    pub(crate) fn detect<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        prefix::detect(&names.into_iter().collect::<Vec<_>>())
    }

    /// The naming, once [`Layout::prefix`] is taken off.
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// What stands before every name, with its last dot (e.g. `state_dict.module.`), or nothing.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How many tensors do not have the prefix; they do not belong to the model (e.g. the state
    /// of an optimiser).
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// open_clip's names of the tensors called `names`, and how to make these tensors. A name
    /// that the naming does not explain stays as it is.
    pub(crate) fn recipes<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<String, Recipe> {
        let inner = names.into_iter().filter_map(|name| name.strip_prefix(&self.prefix));
        let mut recipes = match self.naming {
            Naming::OpenClip | Naming::Other => {
                inner.map(|name| (name.to_owned(), Recipe::Plain(name.to_owned()))).collect()
            }
            naming => hf_clip::recipes(naming, inner),
        };
        for recipe in recipes.values_mut() {
            recipe.add_prefix(&self.prefix);
        }
        recipes
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.naming)?;
        if !self.prefix.is_empty() {
            write!(f, " below {}", self.prefix.trim_end_matches('.'))?;
        }
        if self.ignored > 0 {
            write!(f, " ({} other tensors ignored)", self.ignored)?;
        }
        Ok(())
    }
}

impl Recipe {
    fn add_prefix(&mut self, prefix: &str) {
        let sources = match self {
            Recipe::Plain(source) | Recipe::Transposed(source) => std::slice::from_mut(source),
            Recipe::Concat(sources) => sources.as_mut_slice(),
        };
        sources.iter_mut().for_each(|source| source.insert_str(0, prefix));
    }
}
