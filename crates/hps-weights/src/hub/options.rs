//! Where the hub and its cache are, and how patient to be.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hps_core::{Error, ErrorKind, Result};

/// The hub used when `HF_ENDPOINT` names no other.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// How to reach the hub.
///
/// [`HubOptions::from_env`] reads the same variables as the `huggingface_hub`
/// Python package, so both share one cache and one login.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Scheme, host and optional port and path, without a trailing slash.
    pub endpoint: String,
    /// The folder that holds `models--owner--name` folders.
    pub cache_dir: PathBuf,
    /// The access token, sent to the endpoint's host and to no other.
    pub token: Option<Token>,
    /// Never touch the network; only the cache counts.
    pub offline: bool,
    /// Longest wait for a name to resolve, and again for a connection.
    pub connect_timeout: Duration,
    /// Longest time without a single byte before a transfer counts as stalled.
    pub stall_timeout: Duration,
    /// Failed tries in a row, without progress between them, before giving up.
    pub max_retries: u32,
    /// Wait before the first retry; doubled for each further one, up to 30 s.
    pub retry_delay: Duration,
    /// Longest wait that a `Retry-After` header may ask for.
    pub max_retry_after: Duration,
}

impl HubOptions {
    /// Default timeouts for the hub at [`DEFAULT_ENDPOINT`] and a cache folder:
    /// 10 s to connect, 30 s without a byte, 5 retries starting at 1 s, and at
    /// most 2 min on request of the server.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        HubOptions {
            endpoint: DEFAULT_ENDPOINT.into(),
            cache_dir: cache_dir.into(),
            token: None,
            offline: false,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            max_retries: 5,
            retry_delay: Duration::from_secs(1),
            max_retry_after: Duration::from_secs(120),
        }
    }

    /// The options the process environment asks for.
    ///
    /// * endpoint: `HF_ENDPOINT`;
    /// * cache: `HF_HUB_CACHE`, else `HF_HOME/hub`, where `HF_HOME` defaults to
    ///   `XDG_CACHE_HOME/huggingface` and then `~/.cache/huggingface`;
    /// * token: `HF_TOKEN`, else the file `HF_TOKEN_PATH`, else `HF_HOME/token`;
    /// * offline: `HF_HUB_OFFLINE` set to `1`, `true`, `yes` or `on`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if there is no home folder to put a cache in,
    /// or a variable has a value that cannot be used.
    pub fn from_env() -> Result<Self> {
        Self::from_vars(|name| std::env::var_os(name))
    }

    /// Like [`from_env`](Self::from_env), with `var` in place of the environment.
    ///
    /// # Errors
    ///
    /// See [`from_env`](Self::from_env).
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let user_home = var("HOME").or_else(|| var("USERPROFILE")).map(PathBuf::from);
        let path = |name: &str| var(name).map(|value| expand_home(value, user_home.as_deref()));

        let cache_home =
            path("XDG_CACHE_HOME").or_else(|| Some(user_home.as_deref()?.join(".cache")));
        let hf_home = path("HF_HOME").or_else(|| Some(cache_home?.join("huggingface")));
        let cache_dir = path("HF_HUB_CACHE").or_else(|| Some(hf_home.as_deref()?.join("hub")));
        let cache_dir = cache_dir.ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "there is no folder for downloaded models")
                .with_hint("Set HF_HOME to a folder that can be written to.")
        })?;

        let mut options = HubOptions::new(cache_dir);
        if let Some(endpoint) = var("HF_ENDPOINT") {
            options.endpoint = text("HF_ENDPOINT", endpoint)?.trim_end_matches('/').to_owned();
        }
        if let Some(offline) = var("HF_HUB_OFFLINE") {
            options.offline = is_true(&text("HF_HUB_OFFLINE", offline)?);
        }
        let token_file = path("HF_TOKEN_PATH").or_else(|| Some(hf_home.as_deref()?.join("token")));
        options.token = match var("HF_TOKEN") {
            Some(token) => Some(Token::new(text("HF_TOKEN", token)?)?),
            None => token_file.map(|path| Token::read(&path)).transpose()?.flatten(),
        };
        Ok(options)
    }
}

/// A leading `~` stands for the home folder, since variables set in files other
/// than a shell's are often written that way.
fn expand_home(value: OsString, user_home: Option<&Path>) -> PathBuf {
    let path = PathBuf::from(value);
    match (path.strip_prefix("~"), user_home) {
        (Ok(rest), Some(user_home)) => user_home.join(rest),
        _ => path,
    }
}

fn text(name: &str, value: OsString) -> Result<String> {
    // The value may be a secret, so the message does not quote it.
    value.into_string().map_err(|_| {
        Error::new(ErrorKind::InvalidConfig, format!("the value of {name} is not valid UTF-8"))
    })
}

fn is_true(value: &str) -> bool {
    ["1", "on", "true", "yes"].iter().any(|word| value.trim().eq_ignore_ascii_case(word))
}

/// A secret that gives access to private and gated repositories. It is never
/// printed: `Debug` shows a placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if it is empty or has characters that cannot
    /// be part of an HTTP header.
    pub fn new(token: impl AsRef<str>) -> Result<Self> {
        let token = token.as_ref().trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "the hub token is empty or has characters that no token has",
            )
            .with_hint("Check HF_TOKEN or the token file; a token looks like hf_ and letters."));
        }
        Ok(Token(token.to_owned()))
    }

    /// The token in a file, or `None` if there is no such file or it is empty.
    fn read(path: &Path) -> Result<Option<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Token::new(text).map(Some).map_err(|e| e.context(path.display())),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "cannot read the hub token");
                }
                Ok(None)
            }
        }
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn options(vars: &[(&str, &str)]) -> HubOptions {
        HubOptions::from_vars(|name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
        .unwrap()
    }

    #[test]
    fn the_cache_is_where_python_looks() {
        let cases: [(&[(&str, &str)], &str); 6] = [
            (&[("HOME", "/home/u")], "/home/u/.cache/huggingface/hub"),
            (&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/home/u"), ("HF_HOME", "/hf"), ("XDG_CACHE_HOME", "/x")], "/hf/hub"),
            (&[("HOME", "/home/u"), ("HF_HOME", "~/hf")], "/home/u/hf/hub"),
            (&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")], "/c"),
            (&[("HOME", "/home/u"), ("HF_HOME", "")], "/home/u/.cache/huggingface/hub"),
        ];
        for (vars, expected) in cases {
            assert_eq!(options(vars).cache_dir, Path::new(expected), "{vars:?}");
        }
        assert!(HubOptions::from_vars(|_| None).is_err());
    }

    #[test]
    fn endpoint_and_offline() {
        let home = ("HOME", "/nowhere");
        assert_eq!(options(&[home]).endpoint, DEFAULT_ENDPOINT);
        let mirror = options(&[home, ("HF_ENDPOINT", "https://mirror.example/hf/")]);
        assert_eq!(mirror.endpoint, "https://mirror.example/hf");
        for (value, offline) in [("1", true), ("TRUE", true), ("on", true), ("0", false)] {
            assert_eq!(options(&[home, ("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
        }
    }

    #[test]
    fn the_token_comes_from_the_variable_or_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let hf_home = dir.path().to_str().unwrap();
        assert_eq!(options(&[("HF_HOME", hf_home)]).token, None);
        std::fs::write(dir.path().join("token"), "hf_home\n").unwrap();
        std::fs::write(dir.path().join("other"), "hf_other").unwrap();
        let other = dir.path().join("other");
        let other = ("HF_TOKEN_PATH", other.to_str().unwrap());
        let token = |vars: &[(&str, &str)]| options(vars).token.unwrap().0;
        assert_eq!(token(&[("HF_HOME", hf_home)]), "hf_home");
        assert_eq!(token(&[("HF_HOME", hf_home), other]), "hf_other");
        assert_eq!(token(&[("HF_HOME", hf_home), other, ("HF_TOKEN", " hf_var ")]), "hf_var");
    }

    #[test]
    fn a_token_is_never_printed() {
        let mut options = HubOptions::new("/c");
        options.token = Some(Token::new("hf_secret").unwrap());
        assert!(!format!("{options:?}").contains("secret"));
        let error = Token::new("hf_sec\nret").unwrap_err();
        assert!(!format!("{error:?}").contains("hf_sec"));
    }
}
