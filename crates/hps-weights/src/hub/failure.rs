//! What can go wrong on the way to the hub: which failures pass, and what to say.

use std::time::Duration;

use hps_core::{Error, ErrorKind};
use ureq::http::{HeaderMap, StatusCode};

use super::names::Target;

/// Why a try failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Trying again cannot help.
    Fatal(Error),
    /// Trying again may help.
    Transient {
        /// What to report when there are no more tries.
        error: Error,
        /// The wait that the server asks for.
        retry_after: Option<Duration>,
        /// Bytes that this try brought before it failed.
        received: u64,
    },
}

impl Failure {
    pub(super) fn transient(error: Error) -> Self {
        Failure::Transient { error, retry_after: None, received: 0 }
    }

    /// The same failure, not to be tried again.
    pub(super) fn for_good(self) -> Self {
        Failure::Fatal(self.into_error())
    }

    /// What to report.
    pub(super) fn into_error(self) -> Error {
        match self {
            Failure::Fatal(error) | Failure::Transient { error, .. } => error,
        }
    }

    /// Notes how far the try got.
    pub(super) fn after(mut self, bytes: u64) -> Self {
        if let Failure::Transient { received, .. } = &mut self {
            *received = bytes;
        }
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Fatal(error)
    }
}

/// Who asked for what, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) target: Target<'a>,
    pub(super) endpoint: &'a str,
    pub(super) has_token: bool,
    pub(super) stall_timeout: Duration,
}

impl Context<'_> {
    fn page(&self) -> String {
        format!("{}/{}", self.endpoint, self.target.repo)
    }

    /// The failure that an HTTP status other than success stands for.
    pub(super) fn status(&self, status: StatusCode, headers: &HeaderMap) -> Failure {
        // The hub says in a header whether repository, revision or file is missing.
        let code = headers.get("x-error-code").and_then(|code| code.to_str().ok());
        match status.as_u16() {
            401 | 403 => Failure::Fatal(self.refused(status, code)),
            404 | 410 => Failure::Fatal(self.missing(code)),
            408 | 425 | 429 | 500..=599 => Failure::Transient {
                error: self.busy(status),
                retry_after: retry_after(headers),
                received: 0,
            },
            _ => Failure::Fatal(Error::new(
                ErrorKind::Network,
                format!("{}: the hub answers with status {status}", self.target),
            )),
        }
    }

    fn refused(&self, status: StatusCode, code: Option<&str>) -> Error {
        let target = self.target;
        let what = match code {
            Some("GatedRepo") => "the repository is gated",
            // Without a login the hub does not tell missing from private.
            Some("RepoNotFound") => "the repository is private or does not exist",
            _ => "the repository is private, gated or does not exist",
        };
        let page = self.page();
        let hint = if self.has_token {
            format!("Accept the licence at {page} with the account that HF_TOKEN belongs to.")
        } else {
            format!("Accept the licence at {page}, then set HF_TOKEN to a token of that account.")
        };
        let message = format!("{target}: access refused (status {}), {what}", status.as_u16());
        Error::new(ErrorKind::Network, message).with_hint(hint)
    }

    fn missing(&self, code: Option<&str>) -> Error {
        let Target { repo, revision, file } = self.target;
        let message = match code {
            Some("RepoNotFound") => format!("{}: there is no repository {repo}", self.target),
            Some("RevisionNotFound") => format!("{}: there is no revision {revision}", self.target),
            _ if file.is_empty() => format!("there is no {repo} or no revision {revision} of it"),
            _ => format!("{repo} has no file {file} at revision {revision}"),
        };
        Error::new(ErrorKind::NotFound, message)
            .with_hint(format!("See {} for what there is.", self.page()))
    }

    fn busy(&self, status: StatusCode) -> Error {
        let what = if status == StatusCode::TOO_MANY_REQUESTS {
            "the hub has had too many requests"
        } else {
            "the hub is not working at the moment"
        };
        Error::new(
            ErrorKind::Network,
            format!("{}: {what} (status {})", self.target, status.as_u16()),
        )
        .with_hint("Try again later; what was received is kept.")
    }

    /// The failure that an error below HTTP stands for. Addresses are not
    /// quoted, since those of storage hosts carry signatures.
    pub(super) fn connection(&self, error: ureq::Error) -> Failure {
        use ureq::{Error as E, Timeout};
        let passes = matches!(
            error,
            E::Timeout(_)
                | E::HostNotFound
                | E::Io(_)
                | E::ConnectionFailed
                | E::Protocol(_)
                | E::BodyStalled
        );
        let what = match &error {
            E::Timeout(Timeout::Connect | Timeout::Resolve) => {
                "the hub cannot be reached in time".to_owned()
            }
            E::Timeout(_) => format!("no data for {:?}", self.stall_timeout),
            error if is_unresolved(error) => "the hub's name cannot be resolved".to_owned(),
            _ => "the connection failed".to_owned(),
        };
        let message = format!("{}: {what}", self.target);
        let hint =
            format!("Check the connection to {} and HTTPS_PROXY, or use --offline.", self.endpoint);
        let reported = Error::new(ErrorKind::Network, message).with_hint(hint);
        let reported = match error {
            E::Timeout(_) | E::HostNotFound => reported,
            E::Io(cause) => reported.with_source(cause),
            cause => reported.with_source(cause),
        };
        if passes { Failure::transient(reported) } else { Failure::Fatal(reported) }
    }

    /// The failure of an answer that no working hub gives.
    pub(super) fn not_a_hub(&self, what: &str) -> Error {
        Error::new(ErrorKind::Network, format!("{}: {what}", self.target))
            .with_hint(format!("Check that {} is a model hub (HF_ENDPOINT).", self.endpoint))
    }
}

/// Whether a host's name has no address, which mostly means that there is no
/// network at all. The standard library has no error kind for it.
pub(super) fn is_unresolved(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(error) => error.to_string().starts_with("failed to lookup address"),
        _ => false,
    }
}

/// The wait in a `Retry-After` header, where it is a number of seconds. Dates,
/// which the hub does not send, count as no wish.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A failed write, with what to do about it.
pub(super) fn write_error(path: &std::path::Path, error: std::io::Error) -> Error {
    let (what, hint) = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            ("the disk is full", "Free some space, or set HF_HOME to a folder on another disk.")
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => (
            "not allowed to write",
            "Set HF_HOME to a folder that can be written to, or correct the permissions.",
        ),
        _ => ("cannot write", "Check the disk, or set HF_HOME to another folder."),
    };
    Error::new(ErrorKind::Io, format!("{what}: {}", path.display()))
        .with_hint(hint)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn context() -> Context<'static> {
        Context {
            target: Target { repo: "o/n", revision: "main", file: "f.bin" },
            endpoint: "https://hub.example",
            has_token: false,
            stall_timeout: Duration::from_secs(30),
        }
    }

    fn fatal(status: u16, code: &str) -> Error {
        let mut headers = HeaderMap::new();
        headers.insert("x-error-code", code.parse().unwrap());
        match context().status(StatusCode::from_u16(status).unwrap(), &headers) {
            Failure::Fatal(error) => error,
            Failure::Transient { error, .. } => panic!("transient: {error}"),
        }
    }

    #[test]
    fn refusals_say_where_to_accept_the_licence() {
        let gated = fatal(403, "GatedRepo");
        assert!(gated.message().contains("o/n@main/f.bin"), "{gated}");
        assert!(gated.message().contains("gated"), "{gated}");
        let hint = gated.hint().unwrap();
        assert!(hint.contains("https://hub.example/o/n") && hint.contains("HF_TOKEN"), "{hint}");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(fatal(404, "EntryNotFound").message().contains("no file f.bin"));
        assert!(fatal(404, "RevisionNotFound").message().contains("no revision main"));
        assert!(fatal(404, "RepoNotFound").message().contains("no repository o/n"));
        assert_eq!(fatal(404, "").kind(), ErrorKind::NotFound);
    }

    #[test]
    fn waits_are_read_from_busy_answers() {
        let wait = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            match context().status(StatusCode::TOO_MANY_REQUESTS, &headers) {
                Failure::Transient { retry_after, .. } => retry_after,
                Failure::Fatal(error) => panic!("{error}"),
            }
        };
        assert_eq!(wait("3"), Some(Duration::from_secs(3)));
        assert_eq!(wait("-3"), None);
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }

    #[test]
    fn broken_connections_are_tried_again_and_say_why() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        match context().connection(ureq::Error::Io(reset)) {
            Failure::Transient { error, .. } => {
                let text = error.full_message();
                assert!(text.contains("o/n@main/f.bin: the connection failed: "), "{text}");
                assert!(text.contains("reset"), "{text}");
            }
            Failure::Fatal(error) => panic!("{error}"),
        }
        let tls = context().connection(ureq::Error::Tls("bad certificate"));
        assert!(matches!(tls, Failure::Fatal(_)), "{tls:?}");
    }

    #[test]
    fn a_full_disk_is_called_that() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = write_error(std::path::Path::new("/c/blob"), full);
        assert!(error.message().contains("disk is full"), "{error}");
        assert!(error.message().contains("/c/blob"), "{error}");
    }
}
