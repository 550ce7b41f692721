//! One request and its answer.

use hps_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use ureq::http::{HeaderMap, Method, Uri, header};
use ureq::{Agent, Body};

use super::answer;
use super::failure::{Failure, network, of_connection, of_status, quote};
use super::options::{EndpointOptions, is_loopback};
use super::usage::Usage;

/// Bytes of an answer that are read at most.
const MAX_ANSWER: u64 = 4 << 20;

/// Talks to one endpoint.
pub(super) struct Client<'a> {
    options: &'a EndpointOptions,
    agent: Agent,
    uri: Uri,
}

impl<'a> Client<'a> {
    /// A client for the options' endpoint. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the endpoint is no address.
    pub(super) fn new(options: &'a EndpointOptions) -> Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(options.connect_timeout))
            .timeout_global(Some(options.timeout))
            .user_agent(concat!("hps-loop/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Client { options, agent: config.into(), uri: options.uri()? })
    }

    /// Breaks every request that is under way.
    pub(super) fn shutdown(&self) {
        self.agent.clone().shutdown();
    }

    /// Has one prompt rewritten, in one try.
    pub(super) fn rewrite(&self, prompt: &str) -> Result<(String, Usage), Failure> {
        self.ask(prompt).map_err(|failure| self.without_key(failure))
    }

    fn ask(&self, prompt: &str) -> Result<(String, Usage), Failure> {
        let response = self.send(self.request(prompt))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = response.into_body();
        let bytes = body.with_config().limit(MAX_ANSWER).read_to_vec();
        if !status.is_success() {
            let value = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            return Err(of_status(status, &headers, &value.unwrap_or(Value::Null)));
        }
        let bytes = bytes.map_err(of_connection)?;
        check_type(&headers, &bytes)?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            // Cut off on the way, or by a server that fell over.
            Failure::passing(network(format!("the answer is damaged: {error}")))
        })?;
        answer::read(&value, prompt, self.options.instruction.len() + prompt.len())
    }

    fn request(&self, prompt: &str) -> Vec<u8> {
        let mut request = json!({
            "model": self.options.model,
            "messages": [
                {"role": "system", "content": self.options.instruction},
                {"role": "user", "content": prompt},
            ],
            "temperature": 0,
        });
        if let Some(fields) = request.as_object_mut() {
            fields.extend(self.options.extra.clone());
            fields.retain(|_, value| !value.is_null());
        }
        request.to_string().into_bytes()
    }

    fn send(&self, body: Vec<u8>) -> Result<ureq::http::Response<Body>, Failure> {
        let mut request = ureq::http::Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(key) = &self.options.api_key {
            request = request.header(header::AUTHORIZATION, key.header());
        }
        let request = request.body(body).map_err(|error| {
            let message = format!("the request cannot be made: {error}");
            Failure::All(Error::new(ErrorKind::InvalidConfig, message))
        })?;
        let response = if is_loopback(&self.uri) {
            let request = self.agent.configure_request(request).proxy(None).build();
            self.agent.run(request)
        } else {
            self.agent.run(request)
        };
        response.map_err(of_connection)
    }

    /// Endpoints may quote the key in what they say about an error.
    fn without_key(&self, failure: Failure) -> Failure {
        let hide = |error: Error| match &self.options.api_key {
            Some(key) if error.full_message().contains(key.text()) => {
                let hidden = Error::new(error.kind(), key.hide_in(&error.full_message()));
                match error.hint() {
                    Some(hint) => hidden.with_hint(hint),
                    None => hidden,
                }
            }
            _ => error,
        };
        match failure {
            Failure::All(error) => Failure::All(hide(error)),
            Failure::Setup(error) => Failure::Setup(hide(error)),
            Failure::Prompt(error, usage) => Failure::Prompt(hide(error), usage),
            Failure::Passing { error, retry_after, unreachable } => {
                Failure::Passing { error: hide(error), retry_after, unreachable }
            }
            Failure::Stopped => Failure::Stopped,
        }
    }
}

/// Refuses what is not JSON: a login page, a proxy's greeting.
fn check_type(headers: &HeaderMap, bytes: &[u8]) -> Result<(), Failure> {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else {
        return Ok(());
    };
    if kind.to_ascii_lowercase().contains("json") {
        return Ok(());
    }
    let beginning: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
    let message = format!("the answer is {}, not JSON: {}", quote(kind), quote(&beginning));
    Err(Failure::Setup(network(message).with_hint(
        "Check that --endpoint is the address of an OpenAI-compatible API, such as one ending in /v1.",
    )))
}
