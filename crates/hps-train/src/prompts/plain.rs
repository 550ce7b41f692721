//! The plain text that prompts are compared with.

use std::sync::OnceLock;

/// See `data/prompts/README.md` for source and licence.
const CAPTIONS: &str = include_str!("../../data/prompts/plain-captions.json");

/// 800 captions of photographs from COCO Captions (arXiv 1504.00325, CC BY 4.0), the
/// photo prompts of the HPS v2 benchmark: what people write who only say what they see.
pub fn plain_captions() -> &'static [String] {
    static LIST: OnceLock<Vec<String>> = OnceLock::new();
    // The text is part of this program; a test says that it is a list.
    LIST.get_or_init(|| serde_json::from_str(CAPTIONS).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_800_captions() {
        let captions = plain_captions();
        assert_eq!(captions.len(), 800);
        assert_eq!(
            captions.first().map(String::as_str),
            Some("A man taking a drink from a water fountain.")
        );
        assert!(captions.iter().all(|caption| !caption.trim().is_empty()));
    }
}
