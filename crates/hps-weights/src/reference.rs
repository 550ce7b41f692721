//! What users type to name a model.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hps_core::{Error, ErrorKind, Result};

/// Endings that make a plain word a file name.
const FILE_ENDINGS: [&str; 7] = [".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".json", ".toml"];

/// A model's name as a user types it.
///
/// | text | meaning |
/// |---|---|
/// | `./model`, `/data/model.pt`, `model.safetensors` | a folder or file |
/// | `bundled:NAME` | a model built into the program |
/// | `hub:OWNER/NAME`, `hub:OWNER/NAME@REV` | a whole repository of a model hub |
/// | `hub:OWNER/NAME@REV/FILE` | one file of it; `FILE` may have folders |
/// | `NAME` | an entry of the registry of known models |
///
/// A plain word is always a registry name, even where a folder has that name; write `./word` for
/// the folder. Nothing is looked up while parsing. The shown form parses back to the same value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelRef {
    /// A folder or file on disk.
    Path(PathBuf),
    /// A model built into the program.
    Bundled(String),
    /// A repository of a model hub, or one file of it.
    Hub {
        /// `OWNER/NAME`.
        repo: String,
        /// Branch, tag or commit; the hub's default branch where absent.
        revision: Option<String>,
        /// A file, with folders separated by `/`; the whole repository where absent.
        file: Option<String>,
    },
    /// A name in the registry of known models.
    Registry(String),
}

impl FromStr for ModelRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(wrong(text, "it is empty"));
        }
        if let Some(name) = text.strip_prefix("bundled:") {
            return match is_word(name) {
                true => Ok(ModelRef::Bundled(name.to_owned())),
                false => Err(wrong(text, "'bundled:' is followed by a name")),
            };
        }
        if let Some(rest) = text.strip_prefix("hub:") {
            return parse_hub(text, rest);
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Err(wrong(text, "it is a web address; download the file and give its path"));
        }
        if is_word(text) && !FILE_ENDINGS.iter().any(|ending| text.ends_with(ending)) {
            return Ok(ModelRef::Registry(text.to_owned()));
        }
        if let Some((scheme, _)) = text.split_once(':')
            && scheme.len() > 1
            && is_word(scheme)
        {
            return Err(wrong(text, &format!("'{scheme}:' is unknown")));
        }
        Ok(ModelRef::Path(text.into()))
    }
}

fn parse_hub(text: &str, rest: &str) -> Result<ModelRef> {
    let mut parts = rest.splitn(3, '/');
    let (Some(owner), Some(name)) = (parts.next(), parts.next()) else {
        return Err(wrong(text, "'hub:' is followed by OWNER/NAME"));
    };
    let (name, revision) = match name.split_once('@') {
        Some((name, revision)) => (name, Some(revision)),
        None => (name, None),
    };
    if !is_word(owner) || !is_word(name) {
        return Err(wrong(text, "OWNER and NAME consist of letters, digits, '-', '_' and '.'"));
    }
    if revision.is_some_and(|revision| !is_word(revision)) {
        return Err(wrong(text, "the revision after '@' is a branch, tag or commit without '/'"));
    }
    let file = parts.next();
    let plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\\');
    if file.is_some_and(|file| !file.split('/').all(plain)) {
        return Err(wrong(text, "the file's path has an empty or relative part"));
    }
    Ok(ModelRef::Hub {
        repo: format!("{owner}/{name}"),
        revision: revision.map(str::to_owned),
        file: file.map(str::to_owned),
    })
}

/// Letters, digits, `-`, `_` and `.`, starting with a letter or digit.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn wrong(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("'{text}' does not name a model: {why}")).with_hint(
        "Give a path, a name from `hps-loop models list`, bundled:NAME, or \
         hub:OWNER/NAME[@REV][/FILE].",
    )
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelRef::Path(path) => {
                let text = path.display().to_string();
                // A path that looks like another kind of name is shown so that it parses back.
                match text.parse() {
                    Ok(ModelRef::Path(_)) => f.write_str(&text),
                    _ => write!(f, "./{text}"),
                }
            }
            ModelRef::Bundled(name) => write!(f, "bundled:{name}"),
            ModelRef::Hub { repo, revision, file } => {
                write!(f, "hub:{repo}")?;
                if let Some(revision) = revision {
                    write!(f, "@{revision}")?;
                }
                file.iter().try_for_each(|file| write!(f, "/{file}"))
            }
            ModelRef::Registry(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn hub(repo: &str, revision: Option<&str>, file: Option<&str>) -> ModelRef {
        let [revision, file] = [revision, file].map(|part| part.map(str::to_owned));
        ModelRef::Hub { repo: repo.to_owned(), revision, file }
    }

    #[test]
    fn forms() {
        let cases = [
            ("hps-v2.1", ModelRef::Registry("hps-v2.1".to_owned())),
            ("bundled:demo", ModelRef::Bundled("demo".to_owned())),
            ("./demo", ModelRef::Path("./demo".into())),
            ("model.pt", ModelRef::Path("model.pt".into())),
            ("C:\\w\\m.pt", ModelRef::Path("C:\\w\\m.pt".into())),
            ("/a b/ü", ModelRef::Path("/a b/ü".into())),
            ("hub:o/n", hub("o/n", None, None)),
            ("hub:o/n@v1.0", hub("o/n", Some("v1.0"), None)),
            ("hub:o/n/a/b.pt", hub("o/n", None, Some("a/b.pt"))),
            ("hub:o/n@abc/b@c.pt", hub("o/n", Some("abc"), Some("b@c.pt"))),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<ModelRef>().unwrap(), expected);
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn errors_have_hints() {
        for text in [
            "",
            "bundled:",
            "bundled:a/b",
            "hub:",
            "hub:o",
            "hub:o/",
            "hub:/n",
            "hub:o/n@",
            "hub:o/n/",
            "hub:o/n//x",
            "hub:o/n/../x",
            "hub:../n",
            "s3:bucket/x",
            "https://example.com/m.pt",
        ] {
            let error = text.parse::<ModelRef>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.hint().is_some());
        }
    }

    proptest! {
        #[test]
        fn shown_forms_parse_back(text in "[a-z:./@ -]{1,16}|hub:[a-z./@]{1,12}") {
            if let Ok(parsed) = text.parse::<ModelRef>() {
                prop_assert_eq!(parsed.to_string().parse::<ModelRef>().unwrap(), parsed);
            }
        }

        #[test]
        fn paths_are_never_mistaken(text in "[a-z:./@]{1,16}") {
            let shown = ModelRef::Path(text.clone().into()).to_string();
            let stripped = shown.strip_prefix("./").filter(|_| !text.starts_with("./"));
            prop_assert_eq!(stripped.unwrap_or(&shown), &text);
            prop_assert!(matches!(shown.parse::<ModelRef>(), Ok(ModelRef::Path(_))));
        }
    }
}
