"""Makes the two bundled demo models: tiny, with made-up weights, NOT trained.

They exist so that the main job runs at once on a fresh machine without a
download. Every code path is the real one, but pictures and scores mean nothing.

Needs (PyPI): torch diffusers transformers open_clip_torch safetensors
Usage: python scripts/make_untrained_demo.py [crates/hps-demo/models]
"""

import json
import os
import sys

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from open_clip.model import CLIP
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

SEED = 1
OUT = sys.argv[1] if len(sys.argv) > 1 else "crates/hps-demo/models"

UNET = dict(
    sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(32, 64),
    norm_num_groups=8, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=32, attention_head_dim=4,
)
VAE = dict(
    in_channels=3, out_channels=3, block_out_channels=(16, 32, 32, 32), layers_per_block=1,
    latent_channels=4, norm_num_groups=8, down_block_types=("DownEncoderBlock2D",) * 4,
    up_block_types=("UpDecoderBlock2D",) * 4, sample_size=64,
)
TEXT = dict(
    vocab_size=49408, hidden_size=32, intermediate_size=128, num_hidden_layers=2,
    num_attention_heads=4, max_position_embeddings=77, hidden_act="quick_gelu", projection_dim=32,
    bos_token_id=49406, eos_token_id=49407, pad_token_id=1,
)
SCHEDULER = dict(
    _class_name="DDIMScheduler", num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012,
    beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
    prediction_type="epsilon", timestep_spacing="leading",
)
REWARD = dict(
    embed_dim=32,
    vision_cfg=dict(image_size=64, layers=2, width=64, head_width=16, patch_size=16),
    text_cfg=dict(context_length=77, vocab_size=49408, width=32, heads=4, layers=2),
)


def randomise(model):
    """Weights large enough that every layer matters, stored as f16."""
    draw = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=draw)
            if p.ndim >= 2:
                scale = 0.3 if "embedding" in name else p[0].numel() ** -0.5
                p.copy_(noise * scale)
            elif ("norm" in name or ".ln_" in name or name.startswith("ln_")) and name.endswith("weight"):
                p.copy_(1 + 0.1 * noise)
            elif name == "logit_scale":
                p.fill_(4.6052)
            else:
                p.copy_(0.05 * noise)
    return {k: v.half().contiguous() for k, v in model.state_dict().items()}


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def save(folder, name, model):
    os.makedirs(f"{OUT}/{folder}", exist_ok=True)
    save_file(randomise(model), f"{OUT}/{folder}/{name}.safetensors")


def config(folder, model):
    kept = {k: v for k, v in model.config.to_dict().items()} if hasattr(model.config, "to_dict") else dict(model.config)
    kept.pop("_name_or_path", None)
    write(f"{OUT}/{folder}/config.json", json.loads(json.dumps(kept, default=str)))


unet, vae, text = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE), CLIPTextModel(CLIPTextConfig(**TEXT))
save("generator/unet", "diffusion_pytorch_model", unet)
config("generator/unet", unet)
config("generator/vae", vae)
# Only the decoder is ever used.
kept = {k: v for k, v in randomise(vae).items() if k.startswith(("decoder.", "post_quant_conv."))}
save_file(kept, f"{OUT}/generator/vae/diffusion_pytorch_model.safetensors")
save("generator/text_encoder", "model", text)
config("generator/text_encoder", text)
write(f"{OUT}/generator/scheduler/scheduler_config.json", SCHEDULER)
write(f"{OUT}/generator/tokenizer/tokenizer_config.json", {"model_max_length": 77, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"})
write(f"{OUT}/generator/model_index.json", {
    "_class_name": "StableDiffusionPipeline", "_note": "made-up weights, not trained",
    "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
})
save("reward", "model", CLIP(**REWARD, quick_gelu=False))
write(f"{OUT}/reward/open_clip_config.json", REWARD)
