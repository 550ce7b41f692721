//! One item of a file: from its bytes to a comparison, or why there is none.

use std::sync::Arc;

use hps_core::Prompt;
use serde::Deserialize;
use serde_json::Value;

use super::comparison::{Comparison, Preference, competition_ranks};
use super::format::Format;
use super::intern::Interner;

/// More pictures than any format has for one prompt; bounds work that is quadratic
/// in their number.
const MAX_IMAGES: usize = 1000;

/// The keys of all formats. Values are looked at later, so that a key which the
/// format does not use may hold anything.
#[derive(Debug, Deserialize)]
pub(super) struct Fields {
    id: Option<Value>,
    prompt: Option<Value>,
    file_path: Option<Value>,
    human_preference: Option<Value>,
    image_path: Option<Value>,
    rank: Option<Value>,
    raw_annotations: Option<Value>,
    generations: Option<Value>,
    ranking: Option<Value>,
    images: Option<Value>,
    label: Option<Value>,
    annotations: Option<Value>,
    generators: Option<Value>,
}

/// Why an item is broken.
type Reason = String;

impl Fields {
    /// Reads the keys of an item.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        serde_json::from_slice(bytes).map_err(|error| format!("not an object of JSON: {error}"))
    }

    /// The format whose keys are there.
    pub(super) fn format(&self) -> Option<Format> {
        Format::ALL.into_iter().find(|format| self.images(*format).is_some())
    }

    fn images(&self, format: Format) -> Option<&Value> {
        match format {
            Format::HpdTrain => self.file_path.as_ref(),
            Format::HpdTest => self.image_path.as_ref(),
            Format::ImageReward => self.generations.as_ref(),
            Format::Plain => self.images.as_ref(),
        }
    }

    /// The item's own id, if it has one.
    pub(super) fn id(&self) -> Result<Option<String>, Reason> {
        match &self.id {
            None => Ok(None),
            Some(Value::String(id)) => Ok(Some(id.clone())),
            Some(Value::Number(id)) if !id.is_f64() => Ok(Some(id.to_string())),
            Some(_) => Err("id is neither a text nor a whole number".to_owned()),
        }
    }

    /// The comparison with this id.
    pub(super) fn comparison(
        &self,
        id: Arc<str>,
        format: Format,
        texts: &mut Interner,
    ) -> Result<Comparison, Reason> {
        let prompt = match &self.prompt {
            Some(Value::String(prompt)) => Prompt::new(texts.intern(prompt)),
            Some(_) => return Err("prompt is not a text".to_owned()),
            None => return Err("no prompt".to_owned()),
        };
        let images = self.image_names(format, texts)?;
        let preference = self.preference(format, images.len())?;
        let annotations = self.annotations(format, images.len())?;
        let generators = self.generators(images.len(), texts)?;
        Ok(Comparison { id, prompt, images, preference, annotations, generators })
    }

    fn image_names(&self, format: Format, texts: &mut Interner) -> Result<Vec<Arc<str>>, Reason> {
        let key = format.images_key();
        let values = list(self.images(format), key)?;
        if values.is_empty() {
            return Err(format!("{key} is empty"));
        }
        if values.len() > MAX_IMAGES {
            return Err(format!("{key} has more than {MAX_IMAGES} images"));
        }
        let name = |(index, value): (usize, &Value)| match value {
            Value::String(name) if !name.is_empty() => Ok(texts.intern(name)),
            Value::String(_) => Err(format!("{key}[{index}] is empty")),
            _ => Err(format!("{key}[{index}] is not a text")),
        };
        values.iter().enumerate().map(name).collect()
    }

    fn preference(&self, format: Format, images: usize) -> Result<Preference, Reason> {
        let rank = |value, key| ranks(value, key, images).map(Preference::Rank);
        match format {
            Format::HpdTrain => label(self.human_preference.as_ref(), "human_preference", images),
            Format::HpdTest => rank(self.rank.as_ref(), "rank"),
            Format::ImageReward => rank(self.ranking.as_ref(), "ranking"),
            Format::Plain => match (&self.label, &self.rank) {
                (Some(_), Some(_)) => Err("both label and rank; only one may be there".to_owned()),
                (None, None) => Err("neither label nor rank".to_owned()),
                (Some(_), None) => label(self.label.as_ref(), "label", images),
                (None, Some(_)) => rank(self.rank.as_ref(), "rank"),
            },
        }
    }

    fn annotations(&self, format: Format, images: usize) -> Result<Vec<Vec<u32>>, Reason> {
        let (key, value) = match format {
            Format::HpdTest => ("raw_annotations", &self.raw_annotations),
            Format::Plain => ("annotations", &self.annotations),
            Format::HpdTrain | Format::ImageReward => return Ok(Vec::new()),
        };
        if value.is_none() {
            return Ok(Vec::new());
        }
        let person = |(index, value): (usize, &Value)| match format {
            Format::HpdTest => ranks(value.get("rank"), &format!("{key}[{index}].rank"), images),
            _ => ranks(Some(value), &format!("{key}[{index}]"), images),
        };
        list(value.as_ref(), key)?.iter().enumerate().map(person).collect()
    }

    fn generators(
        &self,
        images: usize,
        texts: &mut Interner,
    ) -> Result<Vec<Option<Arc<str>>>, Reason> {
        if self.generators.is_none() {
            return Ok(Vec::new());
        }
        let values = list(self.generators.as_ref(), "generators")?;
        check_length(values, "generators", images)?;
        let name = |(index, value): (usize, &Value)| match value {
            Value::Null => Ok(None),
            Value::String(name) => Ok(Some(texts.intern(name))),
            _ => Err(format!("generators[{index}] is not a text")),
        };
        values.iter().enumerate().map(name).collect()
    }
}

fn list<'a>(value: Option<&'a Value>, key: &str) -> Result<&'a [Value], Reason> {
    match value {
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(format!("{key} is not a list")),
        None => Err(format!("no {key}")),
    }
}

fn check_length(values: &[Value], key: &str, images: usize) -> Result<(), Reason> {
    if values.len() == images {
        return Ok(());
    }
    let plural = if images == 1 { "" } else { "s" };
    Err(format!("{key} has length {} for {images} image{plural}", values.len()))
}

/// As many finite numbers as there are images.
fn numbers(value: Option<&Value>, key: &str, images: usize) -> Result<Vec<f64>, Reason> {
    let values = list(value, key)?;
    check_length(values, key, images)?;
    let number = |(index, value): (usize, &Value)| {
        let number = value.as_f64().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("{key}[{index}] is not a number"))
    };
    values.iter().enumerate().map(number).collect()
}

fn label(value: Option<&Value>, key: &str, images: usize) -> Result<Preference, Reason> {
    let shares: Vec<f32> =
        numbers(value, key, images)?.into_iter().map(|share| share as f32).collect();
    match shares.iter().position(|share| !share.is_finite() || *share < 0.0) {
        Some(index) => Err(format!("{key}[{index}] is negative or too large")),
        None if shares.iter().all(|&share| share == 0.0) => {
            Err(format!("{key} prefers nothing: all values are 0"))
        }
        None => Ok(Preference::Label(shares)),
    }
}

/// Ranks as they are where they are whole numbers from 0; else 1 plus the number
/// of smaller ones, which keeps their order.
fn ranks(value: Option<&Value>, key: &str, images: usize) -> Result<Vec<u32>, Reason> {
    let values = numbers(value, key, images)?;
    let whole = |value: &f64| value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(value);
    if values.iter().all(whole) {
        return Ok(values.into_iter().map(|value| value as u32).collect());
    }
    Ok(competition_ranks(&values, |a, b| a < b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn read(item: Value) -> Result<Comparison, Reason> {
        let fields = Fields::parse(item.to_string().as_bytes())?;
        let format = fields.format().ok_or("unknown format")?;
        fields.comparison("id".into(), format, &mut Interner::default())
    }

    #[test]
    fn every_format_is_understood() {
        let train = read(json!({"prompt": "fox", "file_path": ["a.jpg", "b.jpg"],
            "human_preference": [0, 1], "user_hash": 7}));
        let train = train.unwrap();
        assert_eq!(train.prompt.as_str(), "fox");
        assert_eq!(train.images, ["a.jpg".into(), "b.jpg".into()]);
        assert_eq!(train.preference, Preference::Label(vec![0.0, 1.0]));

        let test = read(json!({"prompt": "fox", "image_path": ["a", "b", "c"], "rank": [2, 0, 1],
            "raw_annotations": [{"rank": [3, 1, 2], "user_hash": "x"}, {"rank": [1, 1, 2]}]}));
        let test = test.unwrap();
        assert_eq!(test.preference, Preference::Rank(vec![2, 0, 1]));
        assert_eq!(test.annotations, [[3, 1, 2], [1, 1, 2]]);

        let reward = json!({"id": "7", "prompt": "", "generations": ["a", "b"], "ranking": [1, 1]});
        assert_eq!(read(reward).unwrap().preference, Preference::Rank(vec![1, 1]));

        let plain = read(json!({"prompt": "p", "images": ["a", "b"], "label": [0.25, 0.75],
            "annotations": [[1, 2]], "generators": ["x", null]}));
        let plain = plain.unwrap();
        assert_eq!(plain.generator(0), Some("x"));
        assert_eq!(plain.generator(1), None);
        assert_eq!(plain.annotations, [[1, 2]]);
    }

    #[test]
    fn ranks_that_are_not_whole_keep_their_order() {
        let rank = |rank: Value| {
            let images: Vec<String> =
                (0..rank.as_array().unwrap().len()).map(|i| format!("{i}.png")).collect();
            read(json!({"prompt": "p", "images": images, "rank": rank})).map(|c| c.preference)
        };
        assert_eq!(rank(json!([1.0, 2.0])), Ok(Preference::Rank(vec![1, 2])));
        assert_eq!(rank(json!([1.5, 0.5, 1.5, 9])), Ok(Preference::Rank(vec![2, 1, 2, 4])));
        assert_eq!(rank(json!([-1, 3])), Ok(Preference::Rank(vec![1, 2])));
    }

    #[test]
    fn reasons_name_the_key() {
        let with = |key: &str, value: Value| {
            let mut item = json!({"prompt": "p", "images": ["a", "b"], "label": [1, 0]});
            item[key] = value;
            read(item).unwrap_err()
        };
        let many: Vec<String> = (0..=MAX_IMAGES).map(|i| i.to_string()).collect();
        let cases = [
            ("prompt", json!(null), "no prompt"),
            ("prompt", json!(3), "prompt is not a text"),
            ("images", json!([]), "images is empty"),
            ("images", json!("a"), "images is not a list"),
            ("images", json!(["a", ""]), "images[1] is empty"),
            ("images", json!(["a", 1]), "images[1] is not a text"),
            ("images", json!(many), "images has more than 1000 images"),
            ("label", json!([1]), "label has length 1 for 2 images"),
            ("label", json!([1, "0"]), "label[1] is not a number"),
            ("label", json!([1, -1]), "label[1] is negative or too large"),
            ("label", json!([1, 1e39]), "label[1] is negative or too large"),
            ("label", json!([0, 0]), "label prefers nothing: all values are 0"),
            ("label", json!(null), "neither label nor rank"),
            ("rank", json!([1, 2]), "both label and rank; only one may be there"),
            ("annotations", json!([[1]]), "annotations[0] has length 1 for 2 images"),
            ("generators", json!(["a"]), "generators has length 1 for 2 images"),
            ("generators", json!(["a", 1]), "generators[1] is not a text"),
        ];
        for (key, value, reason) in cases {
            assert_eq!(with(key, value), reason);
        }
        let text = br#"{"prompt": "p", "images": ["a", "b"], "label": [NaN, 1]}"#;
        assert!(Fields::parse(text).unwrap_err().starts_with("not an object of JSON"));
        let test =
            json!({"prompt": "p", "image_path": ["a"], "rank": [1], "raw_annotations": [{}]});
        assert_eq!(read(test).unwrap_err(), "no raw_annotations[0].rank");
    }
}
