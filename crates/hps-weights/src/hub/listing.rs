//! What files a repository has.

use serde::Deserialize;

use super::names;

/// The hub's description of a repository, as far as it matters here.
#[derive(Deserialize)]
struct Listing {
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// The paths in an answer of the hub, sorted, without names that no cache could
/// hold; `None` if the answer is something else.
pub(super) fn parse(body: &[u8]) -> Option<Vec<String>> {
    let listing: Listing = serde_json::from_slice(body).ok()?;
    let names = listing.siblings.into_iter().map(|sibling| sibling.rfilename);
    let mut files: Vec<String> = names.filter(|name| names::check_file(name).is_ok()).collect();
    files.sort();
    files.dedup();
    Some(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn safe_names_are_kept() {
        let body = br#"{"id": "o/n", "siblings": [
            {"rfilename": "unet/config.json", "size": 1}, {"rfilename": "../x"},
            {"rfilename": "a.json"}, {"rfilename": "/etc/passwd"}, {"rfilename": "a.json"}
        ]}"#;
        assert_eq!(parse(body).unwrap(), ["a.json", "unet/config.json"]);
        assert_eq!(parse(br#"{"siblings": []}"#).unwrap(), [""; 0]);
        for other in ["", "[]", "{}", "<html>", r#"{"siblings": [{}]}"#] {
            assert_eq!(parse(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&body);
        }
    }
}
