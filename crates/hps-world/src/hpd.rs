//! Items in the form of the files of HPD v2.
//!
//! `train.json` is a list of [`TrainItem`], `test.json` one of [`TestItem`]; the field
//! names are those of the dataset (Wu et al. 2023, "Human Preference Score v2").

use serde::{Deserialize, Serialize};

use crate::ranking::Ranking;

/// Two pictures and which one people prefer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainItem {
    /// What the pictures were asked for.
    pub prompt: String,
    /// The files, relative to the image folder.
    pub file_path: [String; 2],
    /// 1 for the preferred picture, 0 for the other.
    pub human_preference: [u8; 2],
}

/// Several pictures in the order people gave them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestItem {
    /// What the pictures were asked for.
    pub prompt: String,
    /// The files, relative to the image folder.
    pub image_path: Vec<String>,
    /// The rank of each picture over all annotators, from 1.
    pub rank: Vec<u32>,
    /// What each annotator says.
    pub raw_annotations: Vec<RawAnnotation>,
}

/// What one annotator says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawAnnotation {
    /// The rank of each picture, from 1.
    pub rank: Vec<u32>,
    /// Who it is.
    pub user_hash: String,
}

impl TrainItem {
    /// A pair whose better and worse picture are in these files; `swapped` puts the
    /// worse one first.
    pub fn new(prompt: &str, better: String, worse: String, swapped: bool) -> Self {
        let (file_path, human_preference) = match swapped {
            true => ([worse, better], [0, 1]),
            false => ([better, worse], [1, 0]),
        };
        TrainItem { prompt: prompt.to_owned(), file_path, human_preference }
    }
}

impl TestItem {
    /// A ranking whose pictures are in the files `image_path`, in the same order.
    pub fn new(ranking: &Ranking, image_path: Vec<String>) -> Self {
        let raw = |it: &crate::Annotation| RawAnnotation {
            rank: it.ranks.clone(),
            user_hash: it.user.clone(),
        };
        TestItem {
            prompt: ranking.caption.text.as_str().to_owned(),
            image_path,
            rank: ranking.ranks.clone(),
            raw_annotations: ranking.annotations.iter().map(raw).collect(),
        }
    }
}
