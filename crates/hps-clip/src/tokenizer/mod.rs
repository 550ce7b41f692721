//! CLIP's tokenizer: from a prompt to token ids.
//!
//! A prompt is cleaned, split into words, and every word becomes tokens by
//! byte-level byte-pair encoding, so any text has tokens and none is unknown.
//! The ids stand between a start-of-text and an end-of-text token and are padded
//! or cut to the context length, 77.
//!
//! Two programs do this in two ways, see [`Dialect`]. HPS v2 was trained with
//! the first, Stable Diffusion's text encoders are used with the second.
//!
//! ```
//! use hps_clip::tokenizer::Tokenizer;
//!
//! let encoding = Tokenizer::open_clip().encode("A cat &amp; two “horns”");
//! assert_eq!(encoding.ids[..4], [49406, 320, 2368, 261]);
//! assert_eq!((encoding.ids.len(), encoding.len, encoding.end), (77, 9, 8));
//! ```

mod bpe;
mod check;
mod clean;
mod ftfy;
mod html;
mod split;
mod vocabulary;

use std::sync::Arc;

use hps_core::{Error, ErrorKind, Result, Warning};

use split::{Piece, Special, Split, Splitter};
use vocabulary::Vocabulary;

/// The number of tokens that every published CLIP model reads.
pub const CONTEXT_LENGTH: usize = 77;

/// Whose tokenizer to be equal to, token for token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `open_clip` (and `hpsv2`, and OpenAI's `clip`).
    ///
    /// Cleans with `ftfy.fix_text` 6.3, unescapes HTML twice, collapses white
    /// space and lowers case. `<start_of_text>` and `<end_of_text>` in a prompt
    /// are special tokens.
    OpenClip,
    /// `CLIPTokenizer` of Hugging Face's `transformers` (the fast one).
    ///
    /// Normalizes to NFC, collapses white space and lowers case, nothing else.
    /// `<|startoftext|>` and `<|endoftext|>` in a prompt are special tokens.
    HuggingFace,
}

impl Dialect {
    /// The literal names of the start-of-text and the end-of-text token.
    pub fn special_tokens(self) -> [&'static str; 2] {
        match self {
            Dialect::OpenClip => ["<start_of_text>", "<end_of_text>"],
            Dialect::HuggingFace => ["<|startoftext|>", "<|endoftext|>"],
        }
    }
}

/// The token ids of one prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// As many ids as the context length: start, prompt, end, padding.
    pub ids: Vec<u32>,
    /// The number of ids before the padding, start and end included.
    pub len: usize,
    /// The number of the prompt's tokens that did not fit. Without truncation
    /// there would be `len + dropped` ids before the padding.
    pub dropped: usize,
    /// The position of the first end-of-text token, where the text tower's
    /// features are read: `ids.argmax()` in the reference. Less than `len - 1`
    /// if the prompt itself has that token.
    pub end: usize,
}

/// Turns prompts into token ids. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    dialect: Dialect,
    vocabulary: Arc<Vocabulary>,
    splitter: Splitter,
    context_length: usize,
    pad: u32,
}

impl Tokenizer {
    /// The tokenizer of HPS v2: [`Dialect::OpenClip`], OpenAI's vocabulary,
    /// padded with 0.
    pub fn open_clip() -> Self {
        Self::new(Dialect::OpenClip, Vocabulary::openai(), 0)
    }

    /// [`Dialect::HuggingFace`] with OpenAI's vocabulary, padded with `pad`:
    /// 49407, the end-of-text token, for CLIP ViT-L/14; 0 for the second text
    /// encoder of Stable Diffusion XL and for that of Stable Diffusion 2.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if `pad` is 49408 or more.
    pub fn hugging_face(pad: u32) -> Result<Self> {
        Self::new(Dialect::HuggingFace, Vocabulary::openai(), pad).checked()
    }

    /// A tokenizer from the texts of a model folder's `vocab.json` and
    /// `merges.txt`. The special tokens are those of `dialect` by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if a file is malformed, if the two do not fit
    /// together, if a byte or special token is missing, or if `pad` is not an
    /// id of the vocabulary.
    pub fn from_files(
        vocab_json: &str,
        merges_txt: &str,
        dialect: Dialect,
        pad: u32,
    ) -> Result<Self> {
        let special = dialect.special_tokens();
        let vocabulary = Vocabulary::parse_hugging_face(vocab_json, merges_txt, special)?;
        Self::new(dialect, Arc::new(vocabulary), pad).checked()
    }

    fn new(dialect: Dialect, vocabulary: Arc<Vocabulary>, pad: u32) -> Self {
        let splitter = Splitter::new(dialect);
        Tokenizer { dialect, vocabulary, splitter, context_length: CONTEXT_LENGTH, pad }
    }

    fn checked(self) -> Result<Self> {
        let size = self.vocabulary.size();
        if (self.pad as usize) < size {
            return Ok(self);
        }
        let message = format!("padding token {} is not one of {size} tokens", self.pad);
        let hint = "Use the id of the pad_token that the model's tokenizer_config.json names.";
        Err(Error::new(ErrorKind::InvalidConfig, message).with_hint(hint))
    }

    /// The same tokenizer with another number of ids per prompt.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if `context_length` is less than 2: start and
    /// end need a place.
    pub fn with_context_length(mut self, context_length: usize) -> Result<Self> {
        if context_length < 2 {
            let message = format!("context length {context_length} is less than 2");
            let hint = "Use the model's context length, 77 for CLIP.";
            return Err(Error::new(ErrorKind::InvalidConfig, message).with_hint(hint));
        }
        self.context_length = context_length;
        Ok(self)
    }

    /// Whose tokenizer this equals.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The number of ids that [`Tokenizer::encode`] gives.
    pub fn context_length(&self) -> usize {
        self.context_length
    }

    /// The number of tokens in the vocabulary; every id is less.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.size()
    }

    /// The token ids of `prompt`. Any text has some; the empty one has start
    /// and end.
    ///
    /// A prompt that is too long is cut behind, and its last token is the
    /// end-of-text token.
    pub fn encode(&self, prompt: &str) -> Encoding {
        let split = self.splitter.split(prompt);
        let mut ids = vec![self.vocabulary.start()];
        for piece in &split.pieces {
            ids.extend(self.piece_tokens(&split, piece));
        }
        let room = self.context_length - 1;
        let dropped = ids.len().saturating_sub(room);
        ids.truncate(room);
        let end_token = self.vocabulary.end();
        let end = ids.iter().position(|&id| id == end_token).unwrap_or(ids.len());
        ids.push(end_token);
        let len = ids.len();
        ids.resize(self.context_length, self.pad);
        Encoding { ids, len, dropped, end }
    }

    /// The text that `prompt` is read as: lower case, repaired as the dialect does.
    pub fn clean(&self, prompt: &str) -> String {
        self.splitter.split(prompt).text
    }

    /// What a careful user wants to know about `prompt`: that it is cut, empty,
    /// has special tokens, or is in a script that CLIP hardly knows.
    pub fn check(&self, prompt: &str) -> Vec<Warning> {
        check::check(self, prompt)
    }

    fn piece_tokens(&self, split: &Split, piece: &Piece) -> Vec<u32> {
        match piece.special {
            Some(Special::Start) => vec![self.vocabulary.start()],
            Some(Special::End) => vec![self.vocabulary.end()],
            None => self.vocabulary.encode_word(&split.text[piece.range.clone()]),
        }
    }
}
