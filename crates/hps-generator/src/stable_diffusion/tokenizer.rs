//! The tokenizer of a model folder.

use std::collections::HashMap;

use hps_clip::tokenizer::{Dialect, Tokenizer};
use hps_core::{Error, ErrorKind, Result, Warning};
use hps_weights::ModelFiles;
use serde::Deserialize;

const VOCABULARY: &str = "tokenizer/vocab.json";
const MERGES: &str = "tokenizer/merges.txt";

/// What models pad with that do not say it.
const DEFAULT_PAD: &str = "<|endoftext|>";

/// The two padding tokens in use, and their ids in OpenAI's vocabulary.
const OPENAI_PADS: [(&str, u32); 2] = [(DEFAULT_PAD, 49_407), ("!", 0)];

/// A tokenizer as Stable Diffusion's pipelines use it.
#[derive(Clone, Debug)]
pub(super) struct PromptTokenizer {
    tokenizer: Tokenizer,
    pad: String,
    pad_id: u32,
}

impl PromptTokenizer {
    /// Reads `tokenizer/vocab.json` and `tokenizer/merges.txt`; a folder without
    /// them uses OpenAI's vocabulary, which all models of this family share.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for damaged files, one file without the other,
    /// or a padding token that is not in the vocabulary.
    pub fn load(files: &ModelFiles, context_length: usize) -> Result<Self> {
        let pad = pad_token(files)?;
        let (tokenizer, pad_id) = match (files.contains(VOCABULARY), files.contains(MERGES)) {
            (true, true) => from_files(files, &pad)?,
            (false, false) => {
                let known = OPENAI_PADS.into_iter().find(|(token, _)| *token == pad);
                let (_, id) = known.ok_or_else(|| unknown_pad(files, &pad))?;
                (Tokenizer::hugging_face(id)?, id)
            }
            (vocabulary, _) => {
                let absent = if vocabulary { MERGES } else { VOCABULARY };
                let message = format!("{files} has no file {absent}");
                return Err(Error::new(ErrorKind::InvalidConfig, message)
                    .with_hint("Add it, or remove the other one to use OpenAI's vocabulary."));
            }
        };
        let tokenizer = tokenizer.with_context_length(context_length)?;
        Ok(PromptTokenizer { tokenizer, pad, pad_id })
    }

    /// The ids of `text`, cut or padded to the context length.
    ///
    /// The padding token is a special token wherever it stands: for a model that
    /// pads with "!", each "!" of a prompt is padding, as in transformers.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        if self.pad == DEFAULT_PAD || !text.contains(&self.pad) {
            return self.tokenizer.encode(text).ids;
        }
        let length = self.tokenizer.context_length();
        let empty = self.tokenizer.encode("").ids;
        let mut ids = Vec::with_capacity(length);
        ids.extend(empty.first());
        for (index, part) in text.split(&self.pad).enumerate() {
            ids.extend((index > 0).then_some(self.pad_id));
            let part = self.tokenizer.encode(part);
            ids.extend(part.ids.get(1..part.len - 1).unwrap_or_default());
        }
        ids.truncate(length - 1);
        ids.extend(empty.get(1));
        ids.resize(length, self.pad_id);
        ids
    }

    /// The number of tokens; every id is less.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    /// What is unusual about `text`.
    pub fn check(&self, text: &str) -> Vec<Warning> {
        self.tokenizer.check(text)
    }
}

fn from_files(files: &ModelFiles, pad: &str) -> Result<(Tokenizer, u32)> {
    let (vocabulary, merges) = (text(files, VOCABULARY)?, text(files, MERGES)?);
    let ids: HashMap<String, u32> = files.read_json(VOCABULARY)?;
    let id = ids.get(pad).copied().ok_or_else(|| unknown_pad(files, pad))?;
    let tokenizer = Tokenizer::from_files(&vocabulary, &merges, Dialect::HuggingFace, id)
        .map_err(|error| error.context(files))?;
    Ok((tokenizer, id))
}

fn text(files: &ModelFiles, name: &str) -> Result<String> {
    String::from_utf8(files.read(name)?.into_owned()).map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, format!("{name} of {files} is not UTF-8"))
            .with_source(error)
    })
}

fn unknown_pad(files: &ModelFiles, pad: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("the padding token {pad:?} of {files} is not in the vocabulary"),
    )
}

/// A file that names special tokens; all other keys are ignored.
#[derive(Default, Deserialize)]
struct SpecialTokens {
    #[serde(default)]
    pad_token: Option<Token>,
}

/// A token's text, alone or with the settings of an added token.
#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Added { content: String },
}

/// The padding token. As in transformers, `special_tokens_map.json` comes first:
/// the two files of Stable Diffusion 2 disagree, and its models are trained with
/// the "!" of that one.
fn pad_token(files: &ModelFiles) -> Result<String> {
    for name in ["tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json"] {
        if !files.contains(name) {
            continue;
        }
        let tokens: SpecialTokens = files.read_json(name)?;
        match tokens.pad_token {
            Some(Token::Text(text) | Token::Added { content: text }) => return Ok(text),
            None => {}
        }
    }
    Ok(DEFAULT_PAD.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::*;

    fn folder(files: &[(&str, &'static str)]) -> ModelFiles {
        let name = |name: &str| format!("tokenizer/{name}");
        let files = files.iter().map(|(file, text)| (name(file), text.as_bytes()));
        ModelFiles::memory("test", files.collect::<BTreeMap<_, _>>())
    }

    fn pad_id(files: &[(&str, &'static str)]) -> Result<u32> {
        let ids = PromptTokenizer::load(&folder(files), 77)?.encode("cat");
        assert_eq!(ids[..3], [49_406, 2368, 49_407]);
        Ok(ids[76])
    }

    #[test]
    fn padding_follows_the_files() {
        let map = ("special_tokens_map.json", r#"{"pad_token": "!"}"#);
        let config = ("tokenizer_config.json", r#"{"pad_token": "<|endoftext|>"}"#);
        let added =
            ("tokenizer_config.json", r#"{"pad_token": {"content": "!", "lstrip": false}}"#);
        assert_eq!(pad_id(&[]).unwrap(), 49_407);
        assert_eq!(pad_id(&[config]).unwrap(), 49_407);
        assert_eq!(pad_id(&[map, config]).unwrap(), 0);
        assert_eq!(pad_id(&[added]).unwrap(), 0);
        assert_eq!(pad_id(&[("special_tokens_map.json", "{}"), added]).unwrap(), 0);
    }

    /// Values of transformers 5.24.
    #[test]
    fn padding_within_a_prompt_is_padding() {
        let map = ("special_tokens_map.json", r#"{"pad_token": "!"}"#);
        let tokenizer = PromptTokenizer::load(&folder(&[map]), 77).unwrap();
        for (prompt, expected) in [
            ("! !! !!!", &[0, 0, 0, 0, 0, 0, 49_407][..]),
            ("Wow! a cat!dog", &[2781, 0, 320, 2368, 0, 1929, 49_407]),
            ("a! ! b", &[320, 0, 0, 321, 49_407]),
            ("hi", &[1883, 49_407]),
        ] {
            let ids = tokenizer.encode(prompt);
            assert_eq!((ids[0], ids.len()), (49_406, 77));
            assert_eq!(ids[1..=expected.len()], *expected, "{prompt}");
            assert!(ids[expected.len() + 1..].iter().all(|&id| id == 0));
        }
        let long = tokenizer.encode(&"! cat ".repeat(70));
        assert_eq!((long.len(), long[75], long[76]), (77, 0, 49_407));
        let other = PromptTokenizer::load(&folder(&[]), 77).unwrap();
        assert_eq!(other.encode("hi!")[..4], [49_406, 1883, 256, 49_407]);
    }

    #[test]
    fn damaged_files_are_errors() {
        for files in [
            &[("tokenizer_config.json", r#"{"pad_token": "no such token"}"#)][..],
            &[("tokenizer_config.json", r#"{"pad_token": 7}"#)],
            &[("special_tokens_map.json", "")],
            &[("vocab.json", "{}")],
            &[("merges.txt", "")],
            &[("vocab.json", "{}"), ("merges.txt", "")],
        ] {
            assert_eq!(pad_id(files).unwrap_err().kind(), ErrorKind::InvalidConfig);
        }
    }
}
