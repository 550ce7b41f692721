//! Which endpoint, which model, and how patient to be.

use std::fmt;
use std::time::Duration;

use hps_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};
use ureq::http::Uri;

/// What the model is asked by default.
const INSTRUCTION: &str = include_str!("../../../data/prompts/instruction.txt");

/// How to have prompts rewritten.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// The base address, such as `https://api.openai.com/v1`, or that of
    /// `chat/completions` itself.
    pub endpoint: String,
    /// The model's name at the endpoint.
    pub model: String,
    /// The key, where the endpoint asks for one.
    pub api_key: Option<ApiKey>,
    /// The system message that says how to rewrite.
    pub instruction: String,
    /// Merged into every request; `null` takes a field out.
    pub extra: Map<String, Value>,
    /// Requests under way at the same time; at least 1.
    pub concurrency: usize,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
    /// Tries after the first one that failed.
    pub max_retries: u32,
    /// Wait before the second try; doubled for each further one, up to 30 s.
    pub retry_delay: Duration,
    /// Longest wait that the endpoint may ask for (`Retry-After`).
    pub max_retry_after: Duration,
    /// Requests that may fail one after another before the work ends.
    pub max_failures: u32,
}

impl EndpointOptions {
    /// Defaults: no key, the bundled instruction, 4 requests at a time, 10 s to
    /// connect, 60 s for an answer, 5 retries from 1 s on, 2 min on request of the
    /// endpoint, the end after 20 failures in a row.
    pub fn new(endpoint: impl Into<String>, model: impl Into<String>) -> Self {
        EndpointOptions {
            endpoint: endpoint.into(),
            model: model.into(),
            api_key: None,
            instruction: INSTRUCTION.trim().to_owned(),
            extra: Map::new(),
            concurrency: 4,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            max_retries: 5,
            retry_delay: Duration::from_secs(1),
            max_retry_after: Duration::from_secs(120),
            max_failures: 20,
        }
    }

    /// A short name for what is asked: equal for equal model, instruction and extra
    /// fields, wherever the endpoint is.
    pub fn method(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.instruction.as_bytes()).update(&[0]);
        hasher.update(Value::Object(self.extra.clone()).to_string().as_bytes());
        let hash = hasher.finalize().to_hex();
        format!("{}:{}", self.model, hash.get(..12).unwrap_or_default())
    }

    /// The address of chat completions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the endpoint is no plain http or https address.
    pub(super) fn uri(&self) -> Result<Uri> {
        let (base, query) = match self.endpoint.split_once('?') {
            Some((base, query)) => (base, format!("?{query}")),
            None => (self.endpoint.as_str(), String::new()),
        };
        let base = base.trim_end_matches('/');
        let path = if base.ends_with("/chat/completions") { "" } else { "/chat/completions" };
        let uri = format!("{base}{path}{query}").parse::<Uri>().ok();
        // A password in the address would end up in messages.
        let usable = |uri: &Uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && !self.endpoint.contains(['@', '#'])
        };
        uri.filter(usable).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "the endpoint is no usable address")
                .with_hint("Give an address such as https://api.openai.com/v1.")
        })
    }

    /// Whether the endpoint is on this machine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the endpoint is no address.
    pub fn is_local(&self) -> Result<bool> {
        Ok(is_loopback(&self.uri()?))
    }

    /// Whether the key would cross a network that everybody on it can read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the endpoint is no address.
    pub fn exposes_key(&self) -> Result<bool> {
        let uri = self.uri()?;
        Ok(self.api_key.is_some() && uri.scheme_str() == Some("http") && !is_loopback(&uri))
    }
}

/// Whether the host is this machine, which no proxy can reach for us.
pub(super) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A secret that lets its owner use an endpoint. It is never printed: `Debug` shows a
/// placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if it is empty or cannot be part of an HTTP header.
    pub fn new(key: &str) -> Result<Self> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the API key is empty or has characters that no key has";
            return Err(Error::new(ErrorKind::InvalidConfig, message)
                .with_hint("Check the environment variable that holds the key."));
        }
        Ok(ApiKey(key.to_owned()))
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The key itself.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// `text` without the key.
    pub(super) fn hide_in(&self, text: &str) -> String {
        text.replace(&self.0, "…")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses() {
        let uri = |endpoint: &str| EndpointOptions::new(endpoint, "m").uri().map(|u| u.to_string());
        for (endpoint, expected) in [
            ("https://a.example/v1", "https://a.example/v1/chat/completions"),
            ("https://a.example/v1/", "https://a.example/v1/chat/completions"),
            ("http://localhost:8000", "http://localhost:8000/chat/completions"),
            ("https://a.example/v1/chat/completions", "https://a.example/v1/chat/completions"),
            ("https://a.example/x?v=1", "https://a.example/x/chat/completions?v=1"),
        ] {
            assert_eq!(uri(endpoint).unwrap(), expected);
        }
        for bad in ["", "a.example/v1", "ftp://a.example", "https://u:p@a.example", "https://"] {
            assert_eq!(uri(bad).unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad}");
        }
    }

    #[test]
    fn keys_are_secret() {
        let mut options = EndpointOptions::new("http://a.example/v1", "m");
        assert!(!options.exposes_key().unwrap());
        options.api_key = Some(ApiKey::new(" sk-secret\n").unwrap());
        assert!(options.exposes_key().unwrap());
        assert!(!format!("{options:?}").contains("secret"));
        options.endpoint = "http://127.0.0.1:1/v1".into();
        assert!(!options.exposes_key().unwrap() && options.is_local().unwrap());
        assert_eq!(options.api_key.unwrap().hide_in("bad key sk-secret."), "bad key ….");
        assert!(ApiKey::new("a b").is_err() && ApiKey::new("").is_err());
    }
}
