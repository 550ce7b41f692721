//! The two requests a download needs: what a file is, and its bytes.

use hps_core::{Error, ErrorKind, Result};
use ureq::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

use super::HubOptions;
use super::failure::{Context, Failure, is_unresolved};
use super::listing;
use super::names::{self, Target};
use super::origin::{self, Origin};

/// Redirects followed for one request; the hub needs two (a renamed repository,
/// then storage).
const MAX_REDIRECTS: usize = 5;

/// Bytes of a list of files that are read at most.
const MAX_LISTING: u64 = 32 << 20;

/// What the hub says about a file before it sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// The commit that the revision stands for now.
    pub(super) commit: String,
    /// The name of the content: a SHA-256 for large files.
    pub(super) etag: String,
    /// Bytes in the file.
    pub(super) size: Option<u64>,
}

/// The bytes of a file, from some offset on.
pub(super) struct Content {
    /// Where in the file the bytes begin: what was asked for, or 0 if the server
    /// cannot resume.
    pub(super) offset: u64,
    pub(super) body: Body,
}

/// Talks to one hub.
pub(super) struct Client<'a> {
    options: &'a HubOptions,
    agent: Agent,
    origin: Origin,
}

impl<'a> Client<'a> {
    /// A client for the options' endpoint. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the endpoint is no address.
    pub(super) fn new(options: &'a HubOptions) -> Result<Self> {
        let endpoint = options.endpoint.parse::<Uri>().ok();
        let origin = endpoint.as_ref().and_then(Origin::of);
        // A password in the address would end up in messages.
        let plain = !options.endpoint.contains(['@', '?', '#']);
        let Some(origin) = origin.filter(|_| plain) else {
            return Err(Error::new(ErrorKind::InvalidConfig, "the hub's address is not usable")
                .with_hint("Set HF_ENDPOINT to an address such as https://huggingface.co."));
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .timeout_per_read(Some(options.stall_timeout))
            .timeout_per_write(Some(options.stall_timeout))
            .user_agent(concat!("hps-weights/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build();
        Ok(Client { options, agent: config.into(), origin })
    }

    /// A handle whose `shutdown` breaks every request that is under way.
    pub(super) fn agent(&self) -> Agent {
        self.agent.clone()
    }

    pub(super) fn context<'t>(&'t self, target: Target<'t>) -> Context<'t> {
        Context {
            target,
            endpoint: &self.options.endpoint,
            has_token: self.options.token.is_some(),
            stall_timeout: self.options.stall_timeout,
        }
    }

    /// Asks for the paths of all files of a repository. Names that no cache could
    /// hold are left out.
    pub(super) fn listing(&self, repo: &str, revision: &str) -> Result<Vec<String>, Failure> {
        let target = Target { repo, revision, file: "" };
        let context = self.context(target);
        let revision = names::encode(revision, "");
        let mut uri = self.address(&context, &format!("api/models/{repo}/revision/{revision}"))?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(Method::GET, &uri, None, &context)?;
            uri = match follow(&uri, response.status(), response.headers(), &context)? {
                Some(next) => next,
                None => {
                    let mut body = response.into_body();
                    let body = body.with_config().limit(MAX_LISTING).read_to_vec();
                    let body = body.map_err(|error| context.connection(error))?;
                    return listing::parse(&body)
                        .ok_or_else(|| context.not_a_hub("the answer is no list of files").into());
                }
            };
        }
        Err(context.not_a_hub("there are too many redirects").into())
    }

    /// Asks what a file is, without its bytes.
    pub(super) fn metadata(&self, target: Target<'_>) -> Result<Metadata, Failure> {
        let context = self.context(target);
        let mut uri = self.uri(target)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(Method::HEAD, &uri, None, &context)?;
            let (status, headers) = (response.status(), response.headers());
            if headers.contains_key("x-repo-commit") && (status.is_success() || is_redirect(status))
            {
                return Ok(read_metadata(status, headers, &context)?);
            }
            uri = match follow(&uri, status, headers, &context)? {
                Some(next) => next,
                None => return Err(context.not_a_hub("the answer names no commit").into()),
            };
        }
        Err(context.not_a_hub("there are too many redirects").into())
    }

    /// Asks for the bytes of a file, from `offset` on if the server can do that.
    pub(super) fn content(&self, target: Target<'_>, offset: u64) -> Result<Content, Failure> {
        let context = self.context(target);
        let mut uri = self.uri(target)?;
        for _ in 0..=MAX_REDIRECTS {
            let range = (offset > 0).then(|| format!("bytes={offset}-"));
            let response = self.send(Method::GET, &uri, range, &context)?;
            let (status, headers) = (response.status(), response.headers());
            match status {
                StatusCode::OK => return Ok(Content { offset: 0, body: response.into_body() }),
                StatusCode::PARTIAL_CONTENT if range_start(headers) == Some(offset) => {
                    return Ok(Content { offset, body: response.into_body() });
                }
                // What is on disk is no beginning of what the server has.
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
                    return self.content(target, 0);
                }
                _ => {}
            }
            uri = match follow(&uri, status, headers, &context)? {
                Some(next) => next,
                None => return Err(context.not_a_hub("the answer has no content").into()),
            };
        }
        Err(context.not_a_hub("there are too many redirects").into())
    }

    fn uri(&self, target: Target<'_>) -> Result<Uri> {
        let path = format!(
            "{}/resolve/{}/{}",
            target.repo,
            names::encode(target.revision, ""),
            names::encode(target.file, "/")
        );
        self.address(&self.context(target), &path)
    }

    fn address(&self, context: &Context<'_>, path: &str) -> Result<Uri> {
        let address = format!("{}/{path}", self.options.endpoint);
        address.parse().map_err(|_| context.not_a_hub("the address is not usable"))
    }

    fn send(
        &self,
        method: Method,
        uri: &Uri,
        range: Option<String>,
        context: &Context<'_>,
    ) -> Result<Response<Body>, Failure> {
        let origin = Origin::of(uri);
        let mut request = ureq::http::Request::builder().method(method).uri(uri.clone());
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        // Storage hosts get signed addresses; the token is none of their business.
        if let Some(token) =
            self.options.token.as_ref().filter(|_| origin.as_ref() == Some(&self.origin))
        {
            request = request.header(header::AUTHORIZATION, token.header());
        }
        let request =
            request.body(()).map_err(|_| context.not_a_hub("the address is not usable"))?;
        let loopback = origin.is_some_and(|origin| origin.is_loopback());
        let asks = request.method() == Method::HEAD;
        let response = if loopback {
            let request = self.agent.configure_request(request).proxy(None).build();
            self.agent.run(request)
        } else {
            self.agent.run(request)
        };
        response.map_err(|error| {
            // Before anything has come, waiting for a network would only hide
            // that there is none.
            let for_good = asks && is_unresolved(&error);
            let failure = context.connection(error);
            if for_good { failure.for_good() } else { failure }
        })
    }
}

/// The address to go on with, or `None` if this is no redirect.
fn follow(
    base: &Uri,
    status: StatusCode,
    headers: &HeaderMap,
    context: &Context<'_>,
) -> Result<Option<Uri>, Failure> {
    if status.is_success() {
        return Ok(None);
    }
    if !is_redirect(status) {
        return Err(context.status(status, headers));
    }
    let location = text(headers, "location").unwrap_or_default();
    let next = origin::resolve(base, location);
    let (Some(from), Some(to)) = (Origin::of(base), next.as_ref().and_then(Origin::of)) else {
        return Err(context.not_a_hub("the answer points to no address").into());
    };
    if from.downgrades_to(&to) {
        let what = format!("the answer points to {} without encryption", to.host());
        return Err(context.not_a_hub(&what).into());
    }
    Ok(next)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn read_metadata(
    status: StatusCode,
    headers: &HeaderMap,
    context: &Context<'_>,
) -> Result<Metadata> {
    let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag"));
    let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"'));
    let commit = text(headers, "x-repo-commit");
    // Both become file names, so they must not be anything else.
    let (Some(etag), Some(commit)) = (etag, commit) else {
        return Err(context.not_a_hub("the answer has no entity tag"));
    };
    if !names::is_plain(etag) || !names::is_plain(commit) {
        return Err(context.not_a_hub("the answer has an unusable entity tag or commit"));
    }
    let number = |name| text(headers, name).and_then(|value| value.parse().ok());
    // The length of a redirect's own body says nothing about the file.
    let length = || number("content-length").filter(|_| status.is_success());
    Ok(Metadata {
        commit: commit.to_owned(),
        etag: etag.to_owned(),
        size: number("x-linked-size").or_else(length),
    })
}

/// The first byte of a partial answer, from `Content-Range: bytes N-M/SIZE`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = text(headers, "content-range")?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    const CONTEXT: Context<'static> = Context {
        target: Target { repo: "o/n", revision: "main", file: "f" },
        endpoint: "https://hub.example",
        has_token: false,
        stall_timeout: Duration::from_secs(1),
    };

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn metadata_of_large_and_small_files() {
        let large = headers(&[
            ("x-repo-commit", "c0ffee"),
            ("x-linked-etag", "\"abc\""),
            ("etag", "\"other\""),
            ("x-linked-size", "12"),
            ("content-length", "1000"),
        ]);
        let metadata = read_metadata(StatusCode::FOUND, &large, &CONTEXT).unwrap();
        assert_eq!((metadata.etag.as_str(), metadata.size), ("abc", Some(12)));

        let small =
            headers(&[("x-repo-commit", "c0ffee"), ("etag", "W/\"abc\""), ("content-length", "5")]);
        let metadata = read_metadata(StatusCode::OK, &small, &CONTEXT).unwrap();
        assert_eq!((metadata.etag.as_str(), metadata.size), ("abc", Some(5)));
        let metadata = read_metadata(StatusCode::FOUND, &small, &CONTEXT).unwrap();
        assert_eq!(metadata.size, None);
    }

    #[test]
    fn servers_cannot_choose_where_files_go() {
        for (commit, etag) in [("../c", "e"), ("c", "\"../../e\""), ("c", ""), ("c/d", "e")] {
            let evil = headers(&[("x-repo-commit", commit), ("etag", etag)]);
            assert!(read_metadata(StatusCode::OK, &evil, &CONTEXT).is_err(), "{commit} {etag}");
        }
    }

    #[test]
    fn redirects_must_keep_encryption() {
        let base: Uri = "https://hub.example/a".parse().unwrap();
        let to = |location: &str| {
            follow(&base, StatusCode::FOUND, &headers(&[("location", location)]), &CONTEXT)
        };
        assert!(to("https://cdn.example/b").unwrap().is_some());
        for bad in ["http://cdn.example/b", "ftp://cdn.example/b", "file:///etc/passwd", ""] {
            assert!(to(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints_must_be_plain_addresses() {
        for bad in ["", "hub.example", "ftp://hub.example", "https://user:pw@hub.example"] {
            let options = HubOptions { endpoint: bad.into(), ..HubOptions::new("/c") };
            let error = Client::new(&options).err().unwrap();
            assert!(!format!("{error:?}").contains("pw"), "{error:?}");
        }
    }

    #[test]
    fn content_ranges() {
        let start = |value: &str| range_start(&headers(&[("content-range", value)]));
        assert_eq!(start("bytes 5-9/10"), Some(5));
        assert_eq!(start("bytes */10"), None);
    }
}
