"""Checks two full-size training steps against PyTorch: losses, seconds, peak memory.

Trains ViT-H/14 for two steps of two comparisons with HPS v2's locking (the last 20
image groups and 11 text blocks: 514,793,729 of 986,109,441 parameters), once with the
release binary and once with PyTorch in f32, from the checkpoint with made-up weights
that `check_full_checkpoint.py` makes. The second loss depends on all gradients of the
first step. Losses must agree to 1e-3, and our peak memory must stay below 20 GB.

The two run one after the other; each needs up to 16 GB of memory, and the run's folder
9 GB of disk, which is freed at the end.

Needs (PyPI): numpy pillow safetensors torch torchvision hpsv2 (see
`scripts/make_token_values.py` for its missing vocabulary).
Usage: python scripts/check_full_training_step.py [--checkpoint FILE] [--skip-torch]
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IMAGES = os.path.join(ROOT, "tests", "fixtures", "reward", "images")
COMPARISONS = [
    {"prompt": "A cat with two horns on its head", "images": ["rgb.png", "tall.png"], "label": [1, 0]},
    {"prompt": "an oil painting of a lighthouse at dusk", "images": ["pano.jpg", "square.png"], "label": [0, 1]},
]
STEPS, RATE, DECAY = 2, 3.3e-6, 0.35

CONFIG = f"""
[data]
train = "pairs.jsonl"
images = "{IMAGES}"
[lock]
unlocked-image-groups = 20
unlocked-text-layers = 11
[optimiser]
learning-rate = {RATE}
warmup = {STEPS}
weight-decay = {DECAY}
[run]
steps = {STEPS}
batch-size = 2
checkpoint-every = 0
log-every = 1
out = "run"
"""


def ours(checkpoint, folder):
    """Losses, seconds per step and peak memory in GB of the release binary."""
    with open(os.path.join(folder, "pairs.jsonl"), "w") as f:
        f.writelines(json.dumps(item) + "\n" for item in COMPARISONS)
    with open(os.path.join(folder, "full.toml"), "w") as f:
        f.write(CONFIG)
    binary = os.path.join(ROOT, "target", "release", "hps-loop")
    command = [binary, "train", "full.toml", "--set", f"model.init={checkpoint}", "--format", "json"]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    report = json.loads(child.stdout.read())
    _, status, usage = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    with open(os.path.join(folder, "run", "metrics.jsonl")) as f:
        records = [json.loads(line) for line in f]
    # Records have means over the comparisons, which every step has two of.
    losses = [2 * record["train"]["loss"] for record in records]
    return losses, report["seconds"] / STEPS, usage.ru_maxrss / 1e6


def preprocess(file, size=224):
    """The validation transform of hpsv2, with an antialiased resize."""
    import torchvision.transforms.functional as F
    from hpsv2.src.open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
    from PIL import Image
    from torchvision.transforms import InterpolationMode

    x = F.to_tensor(Image.open(os.path.join(IMAGES, file)).convert("RGB"))
    scale = size / max(x.shape[1:])
    height, width = (max(1, round(side * scale)) for side in x.shape[1:])
    x = F.resize(x, [height, width], InterpolationMode.BICUBIC, antialias=True)
    top, left = (size - height) // 2, (size - width) // 2
    x = F.pad(x, [left, top, size - width - left, size - height - top], fill=0)
    return F.normalize(x, OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)


def theirs(checkpoint):
    """The same of PyTorch."""
    import torch
    from hpsv2.src.open_clip import CLIP, get_tokenizer
    from hpsv2.src.open_clip.loss import HPSLoss
    from safetensors.torch import load_file

    vision = dict(image_size=224, layers=32, width=1280, head_width=80, patch_size=14)
    text = dict(context_length=77, vocab_size=49408, width=1024, heads=16, layers=24)
    model = CLIP(embed_dim=1024, vision_cfg=vision, text_cfg=text, quick_gelu=False, output_dict=True)
    model.load_state_dict(load_file(checkpoint))
    model.lock_image_tower(unlocked_groups=20, freeze_bn_stats=False)
    model.lock_text_tower(unlocked_layers=11, freeze_layer_norm=False)
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    assert sum(p.numel() for _, p in trained) == 514_793_729
    plain = lambda n, p: p.ndim < 2 or any(part in n for part in ("bn", "ln", "bias", "logit_scale"))
    groups = [
        {"params": [p for n, p in trained if plain(n, p)], "weight_decay": 0.0},
        {"params": [p for n, p in trained if not plain(n, p)], "weight_decay": DECAY},
    ]
    optimiser = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), eps=1e-6)
    # In the order in which the binary sees them: the sum over a batch has none.
    images = torch.stack([preprocess(item["images"][i]) for i in (0, 1) for item in COMPARISONS])
    tokens = get_tokenizer("ViT-H-14")([item["prompt"] for item in COMPARISONS])
    labels = torch.tensor([item["label"][i] for i in (0, 1) for item in COMPARISONS])
    losses, began = [], time.time()
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (step + 1) / STEPS
        optimiser.zero_grad()
        out = model(images, tokens)
        logits = out["logit_scale"] * out["text_features"] @ out["image_features"].T
        loss = HPSLoss()(logits, labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    seconds = (time.time() - began) / STEPS
    return losses, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def show(name, result):
    losses, seconds, peak = result
    text = " ".join(f"{loss:.6f}" for loss in losses)
    print(f"{name}: losses {text}, {seconds:.1f} s per step, peak memory {peak:.1f} GB", flush=True)


def main():
    parser = argparse.ArgumentParser()
    default = os.path.join(ROOT, "target", "full-size", "full.safetensors")
    parser.add_argument("--checkpoint", default=default, help="made by check_full_checkpoint.py")
    parser.add_argument("--skip-torch", action="store_true", help="measure only")
    parser.add_argument("--torch-only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    checkpoint = os.path.abspath(args.checkpoint)
    if args.torch_only:
        print(json.dumps(theirs(checkpoint)))
        return
    subprocess.run(["cargo", "build", "--release"], check=True, cwd=ROOT)
    folder = tempfile.mkdtemp()
    try:
        result = ours(checkpoint, folder)
    finally:
        shutil.rmtree(folder)
    show("hps-loop", result)
    assert result[2] < 20, "memory exceeds 20 GB"
    if args.skip_torch:
        return
    # A process of its own, so that its memory is its own.
    command = [sys.executable, os.path.abspath(__file__), "--torch-only", "--checkpoint", checkpoint]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    reference = json.loads(out.splitlines()[-1])
    show("PyTorch", reference)
    for a, b in zip(result[0], reference[0]):
        assert abs(a - b) <= 1e-3 * abs(b), f"losses differ: {a} and {b}"


main()
