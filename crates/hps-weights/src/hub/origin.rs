//! Redirects, and which of them may see the token.

use ureq::http::Uri;

/// Scheme, host and port: the unit that a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute `http` or `https` address, else `None`.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        Some(Origin {
            host: uri.host()?.to_ascii_lowercase(),
            port: uri.port_u16().unwrap_or(default_port),
            scheme,
        })
    }

    /// The name of the host, for messages.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether the host is this machine, which no proxy can reach for us.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether going from here to `to` would give up encryption.
    pub(super) fn downgrades_to(&self, to: &Origin) -> bool {
        self.scheme == "https" && to.scheme != "https"
    }
}

/// The address that a `Location` header found at `base` points to.
pub(super) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default().trim();
    let before_path = location.split(['/', '?']).next().unwrap_or_default();
    let absolute = if before_path.ends_with(':') {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{}:{location}", base.scheme_str()?)
    } else {
        let start = format!("{}://{}", base.scheme_str()?, base.authority()?);
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        match location.chars().next() {
            Some('/') => format!("{start}{location}"),
            Some('?') => format!("{start}{}{location}", base.path()),
            Some(_) => format!("{start}{folder}/{location}"),
            None => return None,
        }
    };
    absolute.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origin(uri: &str) -> Option<Origin> {
        Origin::of(&uri.parse().unwrap())
    }

    #[test]
    fn origins_differ_in_scheme_host_or_port() {
        let hub = origin("https://hub.example/a").unwrap();
        assert_eq!(origin("https://HUB.example:443/b"), Some(hub.clone()));
        for other in [
            "http://hub.example/a",
            "https://hub.example:8443/a",
            "https://cdn.hub.example/a",
            "https://hub.example.evil.example/a",
        ] {
            assert_ne!(origin(other), Some(hub.clone()), "{other}");
        }
        // User information before the host does not make it the same host.
        assert_ne!(origin("https://hub.example@evil.example/a"), Some(hub.clone()));
        assert_eq!(origin("ftp://hub.example/a"), None);
        assert!(hub.downgrades_to(&origin("http://hub.example/").unwrap()));
        assert!(!hub.downgrades_to(&origin("https://cdn.example/").unwrap()));
    }

    #[test]
    fn loopback() {
        for here in ["http://127.0.0.1:80/", "http://localhost/", "http://[::1]:8080/"] {
            assert!(origin(here).unwrap().is_loopback(), "{here}");
        }
        assert!(!origin("http://192.0.2.1/").unwrap().is_loopback());
    }

    #[test]
    fn locations() {
        let base: Uri = "https://hub.example:8443/a/resolve/main/f?x=1".parse().unwrap();
        for (location, expected) in [
            ("https://cdn.example/b?sig=1#frag", "https://cdn.example/b?sig=1"),
            ("//cdn.example/b", "https://cdn.example/b"),
            ("/b/resolve/main/f", "https://hub.example:8443/b/resolve/main/f"),
            (
                "g?redirect=https://x.example/",
                "https://hub.example:8443/a/resolve/main/g?redirect=https://x.example/",
            ),
            ("?y=2", "https://hub.example:8443/a/resolve/main/f?y=2"),
        ] {
            assert_eq!(resolve(&base, location).unwrap().to_string(), expected);
        }
        assert_eq!(resolve(&base, ""), None);
    }
}
