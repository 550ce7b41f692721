//! What stands before a model's names, and which names they are.

use super::{Layout, Naming};

/// Keys of dictionaries and attributes of wrapping modules that hold a whole model.
const WRAPPERS: [&str; 4] = ["state_dict.", "model_state_dict.", "model.", "module."];

/// How many wrappers may be nested.
const MAX_DEPTH: usize = 4;

/// Finds the wrappers below which known names are. Other models lose only wrappers that all of
/// their names have, because e.g. a single-file diffusion model has `model.` among others.
pub(super) fn detect(names: &[&str]) -> Layout {
    let (prefix, naming) = search(names, String::new(), MAX_DEPTH)
        .unwrap_or_else(|| (common_wrapper(names), Naming::Other));
    let ignored = names.iter().filter(|name| !name.starts_with(&prefix)).count();
    Layout { naming, prefix, ignored }
}

fn search(names: &[&str], prefix: String, depth: usize) -> Option<(String, Naming)> {
    let inner: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(&prefix)).collect();
    if let Some(naming) = recognise(&inner) {
        return Some((prefix, naming));
    }
    if depth == 0 {
        return None;
    }
    let present = |wrapper: &&&str| inner.iter().any(|name| name.starts_with(**wrapper));
    WRAPPERS
        .iter()
        .filter(present)
        .find_map(|wrapper| search(names, format!("{prefix}{wrapper}"), depth - 1))
}

fn common_wrapper(names: &[&str]) -> String {
    let mut prefix = String::new();
    for _ in 0..MAX_DEPTH {
        let all_have = |wrapper: &&&str| {
            let longer = format!("{prefix}{wrapper}");
            !names.is_empty() && names.iter().all(|name| name.starts_with(&longer))
        };
        let Some(wrapper) = WRAPPERS.iter().find(all_have) else { break };
        prefix.push_str(wrapper);
    }
    prefix
}

/// The naming that one characteristic tensor of each tower gives away.
fn recognise(names: &[&str]) -> Option<Naming> {
    let has = |wanted: &str| names.contains(&wanted);
    let text = has("text_model.embeddings.token_embedding.weight");
    let vision = has("vision_model.embeddings.patch_embedding.weight");
    if has("visual.conv1.weight") || has("transformer.resblocks.0.attn.in_proj_weight") {
        Some(Naming::OpenClip)
    } else if text && vision {
        Some(Naming::HfClip)
    } else if text || has("embeddings.token_embedding.weight") {
        Some(Naming::HfClipText)
    } else if vision || has("embeddings.patch_embedding.weight") {
        Some(Naming::HfClipVision)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(names: &[&str]) -> (Naming, String, usize) {
        let layout = detect(names);
        (layout.naming, layout.prefix, layout.ignored)
    }

    #[test]
    fn every_combination_of_wrappers() {
        for prefix in ["", "state_dict.", "model.", "module.", "state_dict.module.model."] {
            let names =
                ["visual.conv1.weight", "logit_scale"].map(|name| format!("{prefix}{name}"));
            let names = names.each_ref().map(String::as_str);
            assert_eq!(layout(&names), (Naming::OpenClip, prefix.to_owned(), 0));
        }
    }

    #[test]
    fn optimiser_state_is_ignored() {
        let names = [
            "optimizer.state.0.exp_avg",
            "optimizer.state.1.exp_avg",
            "state_dict.visual.conv1.weight",
        ];
        assert_eq!(layout(&names), (Naming::OpenClip, "state_dict.".to_owned(), 2));
        let shown = detect(&names).to_string();
        assert_eq!(shown, "open_clip names below state_dict (2 other tensors ignored)");
    }

    #[test]
    fn other_models_lose_only_common_wrappers() {
        let single_file = ["model.diffusion_model.x", "first_stage_model.y"];
        assert_eq!(layout(&single_file), (Naming::Other, String::new(), 0));
        let wrapped = ["state_dict.layers.0.weight", "state_dict.layers.0.bias"];
        assert_eq!(layout(&wrapped), (Naming::Other, "state_dict.".to_owned(), 0));
        assert_eq!(layout(&[]), (Naming::Other, String::new(), 0));
    }

    #[test]
    fn towers_alone() {
        let text = ["text_model.embeddings.token_embedding.weight"];
        assert_eq!(layout(&text).0, Naming::HfClipText);
        assert_eq!(layout(&["embeddings.token_embedding.weight"]).0, Naming::HfClipText);
        let vision = ["vision_model.embeddings.patch_embedding.weight"];
        assert_eq!(layout(&vision).0, Naming::HfClipVision);
        assert_eq!(layout(&["embeddings.patch_embedding.weight"]).0, Naming::HfClipVision);
        assert_eq!(layout(&[text[0], vision[0]]).0, Naming::HfClip);
    }
}
