//! Which model drew a picture, as far as its path says so.

use std::collections::HashMap;
use std::sync::Arc;

use super::comparison::Comparison;
use super::intern::Interner;

/// Fills in the generators of comparisons that name none: the first folder below
/// those which all pictures share, if it holds pictures of two comparisons at least.
/// A folder of one comparison alone is the prompt's, not a model's.
pub(super) fn fill_in(comparisons: &mut [Comparison], texts: &mut Interner) {
    let shared = shared_folders(comparisons);
    let mut uses: HashMap<Arc<str>, usize> = HashMap::new();
    for comparison in comparisons.iter() {
        let mut folders: Vec<&str> =
            comparison.images.iter().filter_map(|image| folder(image, shared)).collect();
        folders.sort_unstable();
        folders.dedup();
        for name in folders {
            *uses.entry(texts.intern(name)).or_default() += 1;
        }
    }
    let generator = |image: &Arc<str>| {
        let name = folder(image, shared)?;
        uses.get_key_value(name).filter(|(_, count)| **count > 1).map(|(name, _)| Arc::clone(name))
    };
    for comparison in comparisons.iter_mut().filter(|c| c.generators.is_empty()) {
        let generators: Vec<Option<Arc<str>>> = comparison.images.iter().map(generator).collect();
        if generators.iter().any(Option::is_some) {
            comparison.generators = generators;
        }
    }
}

/// How many leading folders all pictures have in common.
fn shared_folders(comparisons: &[Comparison]) -> usize {
    let mut images = comparisons.iter().flat_map(|comparison| &comparison.images);
    let Some(first) = images.next() else { return 0 };
    let mut shared: Vec<&str> = folders(first).collect();
    for image in images {
        let same = shared.iter().zip(folders(image)).take_while(|(a, b)| *a == b).count();
        shared.truncate(same);
        if same == 0 {
            break;
        }
    }
    shared.len()
}

fn folders(image: &str) -> impl Iterator<Item = &str> {
    let folders = image.rsplit_once(['/', '\\']).map_or("", |(folders, _)| folders);
    folders.split(['/', '\\']).filter(|folder| !matches!(*folder, "" | "."))
}

fn folder(image: &str, index: usize) -> Option<&str> {
    folders(image).nth(index)
}

#[cfg(test)]
mod tests {
    use hps_core::Prompt;

    use super::super::comparison::Preference;
    use super::*;

    fn generators(items: &[&[&str]]) -> Vec<Vec<Option<String>>> {
        let comparison = |images: &&[&str]| Comparison {
            id: "".into(),
            prompt: Prompt::from("p"),
            images: images.iter().map(|&image| image.into()).collect(),
            preference: Preference::Rank(vec![1; images.len()]),
            annotations: Vec::new(),
            generators: Vec::new(),
        };
        let mut comparisons: Vec<Comparison> = items.iter().map(comparison).collect();
        fill_in(&mut comparisons, &mut Interner::default());
        let names = |c: &Comparison| -> Vec<Option<String>> {
            c.generators.iter().map(|name| name.as_deref().map(str::to_owned)).collect()
        };
        comparisons.iter().map(names).collect()
    }

    #[test]
    fn folders_name_generators() {
        let a = Some("a".to_owned());
        let b = Some("b".to_owned());
        let none: Vec<Option<String>> = Vec::new();
        let both = vec![a.clone(), b.clone()];
        assert_eq!(
            generators(&[&["a/1.png", "b/1.png"], &["a/2.png", "b/x/2.png"]]),
            [both.clone(), both.clone()]
        );
        // Folders that all share say nothing.
        assert_eq!(
            generators(&[&["./t/a/1.png", "t/b/1.png"], &["t/b/2.png", "t/a/2.png"]]),
            [both, vec![b, a]]
        );
        assert_eq!(
            generators(&[&["t/1.png", "t/2.png"], &["t/3.png"]]),
            [none.clone(), none.clone()]
        );
        assert_eq!(generators(&[&["1.png", "2.png"], &["3.png"]]), [none.clone(), none.clone()]);
        // A folder per prompt is none per model.
        assert_eq!(generators(&[&["p1/1.png", "p1/2.png"], &["p2/1.png"]]), [none.clone(), none]);
    }
}
