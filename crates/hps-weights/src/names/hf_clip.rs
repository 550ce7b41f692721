//! CLIP in the `transformers` package, mapped to open_clip's names.
//!
//! Three differences beside names: attention has three projections where open_clip has one
//! (`in_proj`, rows in the order query, key, value); the final projections are `Linear` layers,
//! so their matrices are the transposes of open_clip's; `position_ids` are stored by old versions
//! and mean nothing. Source: `convert_open_clip_to_hf.py` and `modeling_clip.py` of transformers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Naming, Recipe};

/// open_clip's names of the tensors called `names`.
pub(super) fn recipes<'a>(
    naming: Naming,
    names: impl Iterator<Item = &'a str>,
) -> BTreeMap<String, Recipe> {
    let names: BTreeSet<&str> = names.collect();
    let mut recipes = BTreeMap::new();
    for name in &names {
        if name.rsplit('.').next() == Some("position_ids") {
            continue;
        }
        let (target, recipe) = recipe(naming, name, &names)
            .unwrap_or_else(|| ((*name).to_owned(), Recipe::Plain((*name).to_owned())));
        recipes.insert(target, recipe);
    }
    recipes
}

fn recipe(naming: Naming, name: &str, names: &BTreeSet<&str>) -> Option<(String, Recipe)> {
    match name {
        "logit_scale" => return Some((name.to_owned(), Recipe::Plain(name.to_owned()))),
        "text_projection.weight" => return Some(transposed("text_projection", name)),
        "visual_projection.weight" => return Some(transposed("visual.proj", name)),
        _ => {}
    }
    let (tower, inner) = tower(naming, name)?;
    let blocks = if tower == Tower::Text { "transformer" } else { "visual.transformer" };
    match inner.strip_prefix("encoder.layers.") {
        Some(layer) => {
            let (index, tensor) = layer.split_once('.')?;
            let (target, recipe) = block(tensor, name, names)?;
            Some((format!("{blocks}.resblocks.{index}.{target}"), recipe))
        }
        None => Some((outside_blocks(tower, inner)?.to_owned(), Recipe::Plain(name.to_owned()))),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tower {
    Text,
    Vision,
}

/// The tower a tensor belongs to, and its name within the tower.
fn tower(naming: Naming, name: &str) -> Option<(Tower, &str)> {
    if let Some(inner) = name.strip_prefix("text_model.") {
        Some((Tower::Text, inner))
    } else if let Some(inner) = name.strip_prefix("vision_model.") {
        Some((Tower::Vision, inner))
    } else {
        match naming {
            Naming::HfClipText => Some((Tower::Text, name)),
            Naming::HfClipVision => Some((Tower::Vision, name)),
            _ => None,
        }
    }
}

fn outside_blocks(tower: Tower, inner: &str) -> Option<&'static str> {
    Some(match (tower, inner) {
        (Tower::Text, "embeddings.token_embedding.weight") => "token_embedding.weight",
        (Tower::Text, "embeddings.position_embedding.weight") => "positional_embedding",
        (Tower::Text, "final_layer_norm.weight") => "ln_final.weight",
        (Tower::Text, "final_layer_norm.bias") => "ln_final.bias",
        (Tower::Vision, "embeddings.class_embedding") => "visual.class_embedding",
        (Tower::Vision, "embeddings.patch_embedding.weight") => "visual.conv1.weight",
        (Tower::Vision, "embeddings.position_embedding.weight") => "visual.positional_embedding",
        // The misspelling is the published name.
        (Tower::Vision, "pre_layrnorm.weight") => "visual.ln_pre.weight",
        (Tower::Vision, "pre_layrnorm.bias") => "visual.ln_pre.bias",
        (Tower::Vision, "post_layernorm.weight") => "visual.ln_post.weight",
        (Tower::Vision, "post_layernorm.bias") => "visual.ln_post.bias",
        _ => return None,
    })
}

/// A tensor of one transformer block; `full` is its whole name.
fn block(tensor: &str, full: &str, names: &BTreeSet<&str>) -> Option<(String, Recipe)> {
    let (module, kind) = tensor.rsplit_once('.')?;
    let target = match module {
        "layer_norm1" => "ln_1",
        "layer_norm2" => "ln_2",
        "mlp.fc1" => "mlp.c_fc",
        "mlp.fc2" => "mlp.c_proj",
        "self_attn.out_proj" => "attn.out_proj",
        "self_attn.q_proj" | "self_attn.k_proj" | "self_attn.v_proj" => {
            let layer = full.strip_suffix(tensor)?;
            let parts = ["q", "k", "v"].map(|p| format!("{layer}self_attn.{p}_proj.{kind}"));
            // Incomplete projections keep their names, so that a check reports them.
            return parts
                .iter()
                .all(|part| names.contains(part.as_str()))
                .then(|| (format!("attn.in_proj_{kind}"), Recipe::Concat(parts.to_vec())));
        }
        _ => return None,
    };
    Some((format!("{target}.{kind}"), Recipe::Plain(full.to_owned())))
}

fn transposed(target: &str, source: &str) -> (String, Recipe) {
    (target.to_owned(), Recipe::Transposed(source.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_projections_and_leftovers() {
        let names = [
            "encoder.layers.11.self_attn.k_proj.bias",
            "encoder.layers.11.self_attn.q_proj.bias",
            "encoder.layers.11.self_attn.v_proj.bias",
            "encoder.layers.11.self_attn.q_proj.weight",
            "encoder.layers.11.mlp.fc1.weight",
            "embeddings.position_ids",
            "text_projection.weight",
            "surprise",
        ];
        let recipes = recipes(Naming::HfClipText, names.into_iter());
        let plain = |name: &str| Recipe::Plain(name.to_owned());
        let parts = ["q", "k", "v"].map(|p| format!("encoder.layers.11.self_attn.{p}_proj.bias"));
        let expected = [
            ("transformer.resblocks.11.attn.in_proj_bias", Recipe::Concat(parts.to_vec())),
            ("encoder.layers.11.self_attn.q_proj.weight", plain(names[3])),
            ("transformer.resblocks.11.mlp.c_fc.weight", plain(names[4])),
            ("text_projection", Recipe::Transposed(names[6].to_owned())),
            ("surprise", plain("surprise")),
        ];
        let expected = expected.map(|(name, recipe)| (name.to_owned(), recipe));
        assert_eq!(recipes, BTreeMap::from(expected));
    }
}
