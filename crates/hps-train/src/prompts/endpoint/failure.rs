//! What can go wrong, and whom it concerns.

use std::time::Duration;

use hps_core::{Error, ErrorKind};
use jiff::Timestamp;
use serde_json::Value;
use ureq::http::{HeaderMap, StatusCode};

use super::usage::Usage;

/// Characters of an endpoint's message that are quoted.
const QUOTED: usize = 200;

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Every other request would fail as well.
    All(Error),
    /// Every other request would fail as well, unless one has worked before.
    Setup(Error),
    /// Only this prompt is concerned.
    Prompt(Error, Usage),
    /// Trying again may help.
    Passing {
        /// What to report when there are no more tries.
        error: Error,
        /// The wait that the endpoint asks for.
        retry_after: Option<Duration>,
        /// Whether nobody answered at all.
        unreachable: bool,
    },
    /// The user asked to stop.
    Stopped,
}

impl Failure {
    pub(super) fn passing(error: Error) -> Self {
        Failure::Passing { error, retry_after: None, unreachable: false }
    }
}

pub(super) fn network(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Network, message)
}

/// The failure that a status other than success stands for; `body` is the answer, as
/// far as it is JSON.
pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, body: &Value) -> Failure {
    let said = message(body).map_or(String::new(), |text| format!(": {text}"));
    let code = status.as_u16();
    let error = network(format!("the endpoint answers with status {code}{said}"));
    let spent = body.pointer("/error/code").and_then(Value::as_str) == Some("insufficient_quota");
    match code {
        401 => Failure::All(error.with_hint(
            "Set HPS_LOOP_API_KEY to the endpoint's key, or name its variable with --api-key-env.",
        )),
        402 => Failure::All(error.with_hint("The account has no credit left.")),
        429 if spent => Failure::All(error.with_hint("The account has no credit left.")),
        404 | 405 => Failure::Setup(error.with_hint("Check --endpoint and --model.")),
        300..=399 => Failure::All(error.with_hint(
            "Give the address that this one points to; a key is not sent to another address.",
        )),
        408 | 409 | 425 | 429 | 500..=599 => Failure::Passing {
            error,
            retry_after: retry_after(headers, Timestamp::now()),
            unreachable: false,
        },
        _ => Failure::Prompt(error, Usage::default()),
    }
}

/// The failure that an error below HTTP stands for.
pub(super) fn of_connection(error: ureq::Error) -> Failure {
    use ureq::{Error as E, Timeout};
    let (what, unreachable) = match &error {
        E::Timeout(Timeout::Connect | Timeout::Resolve) | E::HostNotFound | E::ConnectionFailed => {
            ("the endpoint cannot be reached", true)
        }
        E::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            ("the endpoint cannot be reached", true)
        }
        E::Io(error) if error.to_string().starts_with("failed to lookup address") => {
            ("the endpoint cannot be reached", true)
        }
        E::Timeout(_) => ("the endpoint does not answer in time", false),
        E::Io(_) | E::Protocol(_) | E::BodyStalled => ("the connection failed", false),
        _ => {
            let error = network("the endpoint cannot be used").with_source(error);
            return Failure::Setup(error);
        }
    };
    let error = network(format!("{what}: {error}"))
        .with_hint("Check --endpoint, the network and the proxy settings.");
    Failure::Passing { error, retry_after: None, unreachable }
}

/// What the endpoint says about an error, in one line.
pub(super) fn message(body: &Value) -> Option<String> {
    let places = ["/error/message", "/error", "/message", "/detail"];
    let text = places.iter().find_map(|place| body.pointer(place).and_then(Value::as_str))?;
    Some(quote(text))
}

/// The beginning of a text, in one line.
pub(super) fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// The wait that an answer asks for: in milliseconds (`retry-after-ms`), in seconds, or
/// until a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    if let Some(millis) = number("retry-after-ms") {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    if let Some(seconds) = number("retry-after") {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text("retry-after")?).ok()?;
    Some(Duration::try_from(date.timestamp().duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn waits() {
        let now: Timestamp = "2015-10-21T07:27:00Z".parse().unwrap();
        let wait = |name, value| retry_after(&headers(name, value), now);
        assert_eq!(wait("retry-after", "3"), Some(Duration::from_secs(3)));
        assert_eq!(wait("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("retry-after-ms", "20"), Some(Duration::from_millis(20)));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(wait("retry-after", date), Some(Duration::from_secs(60)));
        let past = "Wed, 21 Oct 2015 07:00:00 GMT";
        assert_eq!(wait("retry-after", past), Some(Duration::ZERO));
        for nonsense in ["-3", "soon", "", "NaN"] {
            assert_eq!(wait("retry-after", nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn statuses() {
        let of = |code: u16, body: Value| {
            of_status(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), &body)
        };
        let quota = json!({"error": {"message": "no money", "code": "insufficient_quota"}});
        assert!(matches!(of(401, json!(null)), Failure::All(_)));
        assert!(matches!(of(429, quota), Failure::All(e) if e.message().contains("no money")));
        assert!(matches!(of(302, json!(null)), Failure::All(_)));
        assert!(matches!(of(404, json!({"error": "no model"})), Failure::Setup(_)));
        assert!(matches!(of(429, json!(null)), Failure::Passing { .. }));
        assert!(matches!(of(503, json!(null)), Failure::Passing { .. }));
        assert!(matches!(of(400, json!({"detail": "long"})), Failure::Prompt(..)));
    }

    #[test]
    fn quotes_are_short_lines() {
        assert_eq!(quote(" a\n\u{1b}[31m b "), "a [31m b");
        assert_eq!(quote(&"狐".repeat(500)).chars().count(), QUOTED + 1);
    }
}
