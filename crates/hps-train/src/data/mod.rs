//! Comparisons of pictures by people.
//!
//! # Formats
//!
//! The format is recognised by content; [`Format`] names them. All are JSON: one
//! array of items, or one item a line (JSONL). Unknown keys are ignored.
//!
//! | format | item |
//! |---|---|
//! | `hpd-train`, HPD v2's `train.json` | `{"prompt": "…", "file_path": ["a.jpg", "b.jpg"], "human_preference": [1, 0]}` |
//! | `hpd-test`, HPD v2's `test.json` | `{"prompt": "…", "image_path": […], "rank": [2, 1, …], "raw_annotations": [{"rank": […], "user_hash": "…"}]}` |
//! | `image-reward`, ImageReward's `test.json` | `{"id": "…", "prompt": "…", "generations": […], "ranking": [1, 2, 2]}` |
//! | `plain`, our own | `{"prompt": "…", "images": ["a.png", "b.png"], "label": [1, 0]}` or `{…, "rank": [1, 2, 2]}` |
//!
//! In a rank the smaller number is better and ties are allowed; ranks that are not
//! whole, as means are, keep their order only. Every format may also have `id` (a
//! text or a whole number) and `generators` (a text or null per picture).
//!
//! # Generators
//!
//! The model that drew a picture is, in this order: what `generators` says; the
//! first folder of the picture's path (`sdxl/anime/00001.jpg` is by `sdxl`), as in
//! the benchmark's folders. A name without a folder, as in HPD v2's training set
//! (`00012345.jpg`), says nothing about it.

mod check;
mod comparison;
mod dataset;
mod elements;
mod format;
mod generator_name;
mod intern;
mod item;
mod loader;
mod order;
mod picture_source;

pub use check::{CheckReport, Duplicates, PictureCheck, PictureProblem};
pub use comparison::{Comparison, Preference};
pub use dataset::{BrokenItem, Dataset, ReadOptions, read};
pub use format::Format;
pub use loader::{Batch, Loader, LoaderOptions, Sample};
pub use order::Order;
pub use picture_source::PictureSource;

pub(crate) use comparison::competition_ranks;
pub(crate) use order::below;
