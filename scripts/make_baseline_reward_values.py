"""Reference values for clip-score, pickscore and aesthetic of hps-reward.

Needs (PyPI): transformers>=5 torch "pillow<13" numpy safetensors

Usage: python make_baseline_reward_values.py TOKENIZER_DIR IMAGE_DIR OUT_DIR
       (IMAGE_DIR is tests/fixtures/reward/images, OUT_DIR is crates/hps-reward/tests/data/baselines)

TOKENIZER_DIR is the tokenizer of any CLIP model, e.g. the folder `tokenizer` of Stable Diffusion 1.5 or the
repository openai/clip-vit-large-patch14: all have the same vocabulary of 49408 tokens.

Writes a tiny CLIPModel with random weights and what the rewards make of it:
  model.safetensors   f16, in the layout of the published files: transformers' names, and the `position_ids` that
                      versions before 4.31 stored, as in PickScore_v1
  quick_gelu.json     its configuration with the activation of OpenAI's ViT-L/14 (clip-score, aesthetic)
  gelu.json           the same with that of LAION's ViT-H/14 (pickscore)
  head.pth            an aesthetic head: torch.save of the state dict, layers.{0,2,4,6,7} as published, but narrow
  values.json         clip_score and pickscore [image][prompt], aesthetic [image], all computed in f32; the same of
                      the transparent pictures on white
Token embeddings that no prompt uses are 0, so that the file packs well.

* clip-score is the cosine: CLIPModel's logits_per_image / exp(logit_scale).
* pickscore is exp(logit_scale) times the cosine, as in PickScore's README.
* aesthetic is the head on the unit-length image features, as in improved-aesthetic-predictor.

Pictures go through Pillow's `convert("RGB")`, which drops transparency, and `CLIPImageProcessorPil`: together what
transformers did when the published numbers were made (PickScore's README asks for 4.27). Left alone, transformers 5.24
puts transparent pictures on white; those values stand apart. OpenAI's `clip.load`, which the aesthetic predictor's own
script calls, converts to RGB after the resize (so it resizes palette pictures without interpolation), and its crop
rounds half a pixel to even where transformers rounds down; the usual reimplementations of the predictor use
transformers. Pillow before 13 resizes rows first; Pillow 13.0 turns the order round for some sizes, and the published
numbers are older, so this needs an older Pillow.
"""
import json
import pathlib
import sys

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

IMAGES = [
    "rgb.png", "rgba.png", "palette.png", "palette_transparent.png", "gray.jpg", "gray_alpha.png", "bilevel.png",
    "jpeg420.jpg", "cmyk.jpg", "tall.png", "pano.jpg", "pole.png", "strip.png", "one_pixel.png", "small.png",
    "exact_square.png",
]
TRANSPARENT = ["rgba.png", "palette_transparent.png", "gray_alpha.png"]
PROMPTS = [
    "A cat with two horns on its head", "", "a red fox in the snow, " * 20, "Ünïcödé “quotes” 日本語 🦊 &amp; more",
    "it's\n  the SAME <|endoftext|> but cut", "oil painting of a lighthouse at dusk",
]
IMAGE_SIZE = 32
HEAD_WIDTHS = [24, 32, 16, 8, 4, 1]  # 768, 1024, 128, 64, 16, 1 in the published head

assert int(PIL.__version__.split(".")[0]) < 13, "the order of the two passes changed in Pillow 13"


class AestheticHead(torch.nn.Module):
    """The published head's modules: no activations, and dropout that does nothing here."""

    def __init__(self, widths):
        super().__init__()
        linear = [torch.nn.Linear(*pair) for pair in zip(widths, widths[1:])]
        dropout = [torch.nn.Dropout(p) for p in (0.2, 0.2, 0.1)]
        first, second, third, fourth, fifth = linear
        self.layers = torch.nn.Sequential(first, dropout[0], second, dropout[1], third, dropout[2], fourth, fifth)

    def forward(self, features):
        return self.layers(features)


def configuration(activation):
    shared = {"num_hidden_layers": 2, "hidden_act": activation}
    return CLIPConfig(
        text_config={"vocab_size": 49408, "hidden_size": 32, "intermediate_size": 128, "num_attention_heads": 2, **shared},
        vision_config={
            "hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4, "image_size": IMAGE_SIZE,
            "patch_size": 8, **shared,
        },
        projection_dim=HEAD_WIDTHS[0],
    )


def spread(generator, name, shape):
    """Weights that keep activations near unit size, so that pictures and prompts differ in every layer."""
    if name == "logit_scale":
        return torch.tensor(2.9)
    noise = torch.randn(shape, generator=generator)
    if len(shape) == 1:
        is_norm_scale = "norm" in name and name.endswith("weight")
        return 1 + 0.2 * noise if is_norm_scale else 0.2 * noise
    if "embedding.weight" in name and len(shape) == 2:
        return 0.5 * noise
    return noise * 1.2 / np.prod(shape[1:]) ** 0.5


def write_model(folder, used_tokens):
    model = CLIPModel(configuration("quick_gelu"))
    generator = torch.Generator().manual_seed(20231)
    tensors = {name: spread(generator, name, value.shape) for name, value in model.state_dict().items()}
    embeddings = tensors["text_model.embeddings.token_embedding.weight"]
    unused = torch.ones(len(embeddings), dtype=torch.bool)
    unused[sorted(used_tokens)] = False
    embeddings[unused] = 0
    model.load_state_dict(tensors)
    model.half().save_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    vision_tokens = (IMAGE_SIZE // 8) ** 2 + 1
    for tower, positions in [("text_model", 77), ("vision_model", vision_tokens)]:
        tensors[f"{tower}.embeddings.position_ids"] = torch.arange(positions)[None]
    save_file(tensors, path, metadata={"format": "pt"})
    (folder / "config.json").unlink()
    for activation in ["quick_gelu", "gelu"]:
        configuration(activation).to_json_file(folder / f"{activation}.json")


def load_model(folder, activation, dtype):
    config = CLIPConfig.from_json_file(folder / f"{activation}.json")
    return CLIPModel.from_pretrained(folder, config=config, dtype=dtype).eval()


def write_head(path):
    torch.manual_seed(7)
    head = AestheticHead(HEAD_WIDTHS)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(2.0)
        head.layers[7].bias.add_(5.0)
    torch.save(head.state_dict(), path)


def unit(features):
    features = getattr(features, "pooler_output", features)
    return features / torch.norm(features, dim=-1, keepdim=True)


@torch.no_grad()
def values(folder, pixels, texts, dtype):
    pixels = pixels.to(dtype)
    clip = load_model(folder, "quick_gelu", dtype)
    logits = clip(pixel_values=pixels, **texts).logits_per_image
    features = unit(clip.get_image_features(pixel_values=pixels))
    head = AestheticHead(HEAD_WIDTHS)
    head.load_state_dict(torch.load(folder / "head.pth", weights_only=True))
    pick = load_model(folder, "gelu", dtype)
    image, text = unit(pick.get_image_features(pixel_values=pixels)), unit(pick.get_text_features(**texts))
    return {
        "clip_score": logits / clip.logit_scale.exp(),
        "pickscore": pick.logit_scale.exp() * image @ text.T,
        "aesthetic": head.eval().to(dtype)(features)[:, 0],
    }


def opaque(path):
    """Pillow's RGB. It keeps a palette's transparent colour as a remark, which transformers 5 would act on."""
    image = Image.open(path).convert("RGB")
    image.info.pop("transparency", None)
    return image


def main(tokenizer_dir, image_dir, out):
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_dir)
    texts = tokenizer(PROMPTS, padding=True, truncation=True, max_length=77, return_tensors="pt")
    write_model(out, set(texts["input_ids"].flatten().tolist()))
    write_head(out / "head.pth")
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    processor = CLIPImageProcessorPil(size={"shortest_edge": IMAGE_SIZE}, crop_size=size)

    def process(images):
        return processor(images, return_tensors="pt")["pixel_values"]

    pixels = process([opaque(image_dir / name) for name in IMAGES])
    on_white = process([Image.open(image_dir / name) for name in TRANSPARENT])
    dropped = pixels[[IMAGES.index(name) for name in TRANSPARENT]]
    assert ((on_white - dropped).abs().amax((1, 2, 3)) > 0.1).all(), "this transformers drops transparency"

    result = values(out, pixels, texts, torch.float32)
    exact = values(out, pixels, texts, torch.float64)
    for name, value in result.items():
        difference = (value - exact[name]).abs().max().item()
        low, high = value.min().item(), value.max().item()
        print(f"{name}: {low:.4f} to {high:.4f}, over images ±{value.std(0).min():.4f}, f32 from f64 {difference:.1e}")
        assert value.std(0).min() > 1e-2 * value.abs().max(), "values that hardly differ prove nothing"
    versions = {"transformers": transformers.__version__, "torch": torch.__version__, "pillow": PIL.__version__}
    record = {"versions": versions, "prompts": PROMPTS}
    for key, names, result in [
        ("pillow_rgb", IMAGES, result),
        ("on_white", TRANSPARENT, values(out, on_white, texts, torch.float32)),
    ]:
        record[key] = {"images": names} | {name: value.tolist() for name, value in result.items()}
    (out / "values.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


main(*(pathlib.Path(argument) for argument in sys.argv[1:4]))
