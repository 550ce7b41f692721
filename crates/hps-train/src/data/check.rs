//! What is in a set of comparisons, and what is wrong with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;

use super::comparison::Comparison;
use super::dataset::{BrokenItem, Dataset};
use super::format::Format;

/// How closely pictures were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureCheck {
    /// Every picture was decoded.
    All,
    /// The first bytes were read: is it a picture at all?
    #[default]
    Headers,
    /// Only whether the files exist.
    None,
}

/// What is wrong with a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PictureProblem {
    /// The picture's name in the data.
    pub image: String,
    /// Whether the file does not exist; else it is there but no usable picture.
    pub missing: bool,
    /// What is wrong.
    pub message: String,
}

/// A report about a [`Dataset`]; lists are in file order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// The format of the file.
    pub format: Format,
    /// Items in the file.
    pub items: usize,
    /// Items that can be used: their text is sound and all pictures that were looked
    /// at are.
    pub usable: usize,
    /// Items that cannot be used, as a share of all.
    pub broken_fraction: f64,
    /// Items whose text is not sound.
    pub broken: Vec<BrokenItem>,
    /// Comparisons with a picture that is missing or broken.
    pub without_pictures: usize,
    /// Different prompts.
    pub prompts: usize,
    /// How closely pictures were looked at.
    pub decode: PictureCheck,
    /// Different pictures.
    pub images: usize,
    /// Pictures that are missing or broken.
    pub bad_images: Vec<PictureProblem>,
    /// Comparisons by their number of pictures.
    pub images_per_comparison: BTreeMap<usize, usize>,
    /// Comparisons with two equally good pictures or more.
    pub with_ties: usize,
    /// Comparisons whose pictures are all equally good.
    pub all_tied: usize,
    /// How often the best picture stands at each place. Comparisons with several best
    /// ones count for each a share, those whose pictures are all tied not at all.
    pub best_at: Vec<f64>,
    /// Comparisons with the ranks of single people, and how many of these there are.
    pub annotated: usize,
    /// Ranks by single people.
    pub annotations: usize,
    /// Pictures by the model that drew them.
    pub images_per_generator: BTreeMap<String, usize>,
    /// Pictures by nobody known.
    pub images_without_generator: usize,
    /// Repetitions that are allowed, but seldom meant.
    pub duplicates: Duplicates,
}

/// Repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Items skipped because an earlier one has their id.
    pub ids: usize,
    /// Comparisons of the same pictures by the same prompt as an earlier one.
    pub comparisons: usize,
    /// Comparisons that have a picture twice.
    pub images_within: usize,
}

impl CheckReport {
    /// A report on `data`, of whose pictures `problems` are not usable.
    pub fn new(data: &Dataset, decode: PictureCheck, problems: Vec<PictureProblem>) -> Self {
        let bad: HashSet<&str> = problems.iter().map(|problem| problem.image.as_str()).collect();
        let is_bad = |c: &&Comparison| c.images.iter().any(|image| bad.contains(&**image));
        let without_pictures = data.comparisons.iter().filter(is_bad).count();
        let broken_items = data.broken.len() + without_pictures;
        let prompts: HashSet<&str> = data.comparisons.iter().map(|c| c.prompt.as_str()).collect();
        let generators = generators_of_images(data);
        let mut report = CheckReport {
            format: data.format,
            items: data.items,
            usable: data.items - broken_items,
            broken_fraction: broken_items as f64 / data.items.max(1) as f64,
            broken: data.broken.clone(),
            without_pictures,
            prompts: prompts.len(),
            decode,
            images: generators.len(),
            bad_images: Vec::new(),
            images_per_comparison: BTreeMap::new(),
            with_ties: 0,
            all_tied: 0,
            best_at: Vec::new(),
            annotated: 0,
            annotations: 0,
            images_per_generator: BTreeMap::new(),
            images_without_generator: 0,
            duplicates: duplicates(data),
        };
        for generator in generators.into_values() {
            match generator {
                Some(name) => {
                    *report.images_per_generator.entry(name.to_string()).or_default() += 1
                }
                None => report.images_without_generator += 1,
            }
        }
        data.comparisons.iter().for_each(|comparison| report.count(comparison));
        report.bad_images = problems;
        report
    }

    fn count(&mut self, comparison: &Comparison) {
        *self.images_per_comparison.entry(comparison.images.len()).or_default() += 1;
        self.annotated += usize::from(!comparison.annotations.is_empty());
        self.annotations += comparison.annotations.len();
        self.with_ties += usize::from(comparison.preference.has_tie());
        let best = comparison.preference.best();
        if self.best_at.len() < comparison.images.len() {
            self.best_at.resize(comparison.images.len(), 0.0);
        }
        if best.len() == comparison.images.len() {
            self.all_tied += usize::from(best.len() > 1);
            return;
        }
        let share = 1.0 / best.len() as f64;
        for place in best {
            if let Some(count) = self.best_at.get_mut(place) {
                *count += share;
            }
        }
    }
}

/// The generator of every different picture. The first comparison that names one
/// decides.
fn generators_of_images(data: &Dataset) -> HashMap<&str, Option<Arc<str>>> {
    let mut generators: HashMap<&str, Option<Arc<str>>> = HashMap::new();
    for comparison in &data.comparisons {
        for (index, image) in comparison.images.iter().enumerate() {
            let known = generators.entry(image).or_default();
            if known.is_none() {
                *known = comparison.generators.get(index).cloned().flatten();
            }
        }
    }
    generators
}

fn duplicates(data: &Dataset) -> Duplicates {
    let mut duplicates = Duplicates { ids: data.duplicate_ids, ..Duplicates::default() };
    // Hashes first: keeping every sorted list of names would double the memory.
    let mut hashes: Vec<(u64, usize)> = Vec::with_capacity(data.comparisons.len());
    for (index, comparison) in data.comparisons.iter().enumerate() {
        let (prompt, images) = content(comparison);
        let twice = images.windows(2).any(|pair| pair[0] == pair[1]);
        duplicates.images_within += usize::from(twice);
        let mut hasher = DefaultHasher::new();
        (prompt, images).hash(&mut hasher);
        hashes.push((hasher.finish(), index));
    }
    hashes.sort_unstable();
    for group in hashes.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        let items = group.iter().filter_map(|(_, index)| data.comparisons.get(*index));
        let different: HashSet<_> = items.map(content).collect();
        duplicates.comparisons += group.len() - different.len();
    }
    duplicates
}

/// The prompt and the sorted pictures.
fn content(comparison: &Comparison) -> (&str, Vec<&str>) {
    let mut images: Vec<&str> = comparison.images.iter().map(|image| &**image).collect();
    images.sort_unstable();
    (comparison.prompt.as_str(), images)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::dataset::ReadOptions;
    use super::*;

    const FILE: &str = r#"
        {"prompt": "a", "images": ["x/1", "y/1"], "label": [1, 0]}
        {"prompt": "a", "images": ["y/1", "x/1"], "label": [1, 0], "annotations": [[1, 2], [2, 1]]}
        {"prompt": "b", "images": ["x/1", "y/2", "z/1"], "rank": [2, 1, 1]}
        {"prompt": "c", "images": ["x/3", "x/3"], "rank": [1, 1], "id": "twice"}
        {"prompt": "c", "images": ["x/3", "y/3"], "rank": [1, 2], "id": "twice"}
        {"prompt": "c", "images": ["x/3"], "rank": [1]}
        {"prompt": 5}
    "#;

    fn report(problems: &[&str]) -> CheckReport {
        let text: Vec<&str> = FILE.lines().map(str::trim).collect();
        let data = Dataset::from_reader(text.join("\n").as_bytes(), "x", &ReadOptions::default());
        let problem = |image: &&str| PictureProblem {
            image: (*image).to_owned(),
            missing: true,
            message: "no such file".to_owned(),
        };
        let problems = problems.iter().map(problem).collect();
        CheckReport::new(&data.unwrap(), PictureCheck::Headers, problems)
    }

    #[test]
    fn everything_is_counted() {
        let report = report(&[]);
        assert_eq!((report.items, report.usable, report.broken.len()), (7, 5, 2));
        assert_eq!((report.prompts, report.images), (3, 5));
        assert_eq!(report.images_per_comparison, BTreeMap::from([(1, 1), (2, 3), (3, 1)]));
        assert_eq!((report.with_ties, report.all_tied), (2, 1));
        assert_eq!(report.best_at, [2.0, 0.5, 0.5]);
        assert_eq!((report.annotated, report.annotations), (1, 2));
        let generators = [("x".to_owned(), 2), ("y".to_owned(), 2)];
        assert_eq!(report.images_per_generator, BTreeMap::from(generators));
        // The folder z holds one picture only.
        assert_eq!(report.images_without_generator, 1);
        let duplicates = Duplicates { ids: 1, comparisons: 1, images_within: 1 };
        assert_eq!(report.duplicates, duplicates);
        assert!((report.broken_fraction - 2.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn a_bad_picture_breaks_every_comparison_it_is_in() {
        let report = report(&["x/1"]);
        assert_eq!((report.without_pictures, report.usable), (3, 2));
        assert!((report.broken_fraction - 5.0 / 7.0).abs() < 1e-12);
    }
}
