//! Which tensors are trained.
//!
//! As open_clip's `lock_image_tower` and `lock_text_tower`. The image tower is a list
//! of groups, the last of which are unlocked:
//!
//! 1. stem: `conv1`, class and positional embedding, `ln_pre`;
//! 2. every block but the last, a group each;
//! 3. the last block and `ln_post`;
//! 4. `proj`.
//!
//! In a locked text tower the last blocks, `ln_final` and `text_projection` are
//! trained, and embeddings never. `logit_scale` always is.

use hps_clip::ClipConfig;
use serde::{Deserialize, Serialize};

/// How much of each tower is trained. `None` trains the whole tower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// Groups of the image tower that are trained, counted from the end; 0 trains
    /// none. HPS v2 trains 20 of 34.
    pub unlocked_image_groups: Option<usize>,
    /// Blocks of the text tower that are trained, counted from the end; 0 trains
    /// nothing of the tower. HPS v2 trains 11 of 24.
    pub unlocked_text_layers: Option<usize>,
}

impl Lock {
    /// What HPS v2 was trained with.
    pub const HPS_V2: Lock =
        Lock { unlocked_image_groups: Some(20), unlocked_text_layers: Some(11) };

    /// Whether the tensor `name` of a model of `config` is trained.
    pub fn trains(&self, config: &ClipConfig, name: &str) -> bool {
        if name == "logit_scale" {
            return true;
        }
        match name.strip_prefix("visual.") {
            Some(part) => self.unlocked_image_groups.is_none_or(|unlocked| {
                let layers = config.vision.layers;
                // Stem, a group per block, projection.
                let locked = (layers + 2).saturating_sub(unlocked);
                image_group(part, layers) >= locked
            }),
            None => self
                .unlocked_text_layers
                .is_none_or(|unlocked| trains_text(name, config.text.layers, unlocked)),
        }
    }
}

/// The index of the group of a tensor of the image tower.
fn image_group(part: &str, layers: usize) -> usize {
    match block_index(part) {
        Some(index) => index + 1,
        None if part == "proj" => layers + 1,
        None if part.starts_with("ln_post.") => layers,
        None => 0,
    }
}

fn trains_text(name: &str, layers: usize, unlocked: usize) -> bool {
    if unlocked == 0 {
        return false;
    }
    match block_index(name) {
        Some(index) => index >= layers.saturating_sub(unlocked),
        None => name == "text_projection" || name.starts_with("ln_final."),
    }
}

/// `N` of `transformer.resblocks.N.…`.
fn block_index(name: &str) -> Option<usize> {
    let rest = name.strip_prefix("transformer.resblocks.")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use hps_clip::clip_tensors;

    use super::*;

    fn trained(lock: Lock) -> Vec<String> {
        let config = ClipConfig::vit_h_14();
        let names = clip_tensors(&config).into_iter().map(|spec| spec.name);
        names.filter(|name| lock.trains(&config, name)).collect()
    }

    #[test]
    fn hps_v2_trains_what_its_checkpoint_has_moments_of() {
        let config = ClipConfig::vit_h_14();
        let specs = clip_tensors(&config);
        let trains = |name: &str| Lock::HPS_V2.trains(&config, name);
        let values: usize = specs
            .iter()
            .filter(|spec| trains(&spec.name))
            .map(|spec| spec.shape.iter().product::<usize>())
            .sum();
        assert_eq!(values, 514_793_729);
        assert!(trains("visual.transformer.resblocks.13.ln_1.weight"));
        assert!(!trains("visual.transformer.resblocks.12.ln_1.weight"));
        assert!(trains("transformer.resblocks.13.mlp.c_fc.bias"));
        assert!(!trains("transformer.resblocks.12.mlp.c_fc.bias"));
    }

    #[test]
    fn the_ends_of_the_scale() {
        assert_eq!(trained(Lock::default()).len(), 686);
        let none = Lock { unlocked_image_groups: Some(0), unlocked_text_layers: Some(0) };
        assert_eq!(trained(none), ["logit_scale"]);
        let heads = Lock { unlocked_image_groups: Some(1), ..none };
        assert_eq!(trained(heads), ["logit_scale", "visual.proj"]);
        let all = Lock { unlocked_image_groups: Some(99), unlocked_text_layers: Some(99) };
        let locked = ["token_embedding.weight", "positional_embedding"];
        let trained = trained(all);
        assert_eq!(trained.len(), 684);
        assert!(locked.iter().all(|name| !trained.contains(&(*name).to_owned())));
    }
}
