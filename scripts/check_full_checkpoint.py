"""Checks the full-size model: scores, load time and peak memory.

Makes a ViT-H/14 checkpoint with the exact layout of HPS v2 and made-up weights
(686 tensors, f16, 1.97 GB; every tensor is drawn from numpy's PCG64 seeded with
the CRC-32 of its name, so the file is the same on every machine), then

* runs `cargo test --release --test fixtures full_size`, which compares with the
  scores that the `hpsv2` package computed (`tests/fixtures/reward/full_scores.json`);
* loads the model and scores one picture with the release binary, once per file
  format: it must load within 3 s from the page cache and stay below 4.6 GB.

Needs (PyPI): numpy safetensors; for --pt also torch.
Usage: python scripts/check_full_checkpoint.py [--folder DIR] [--pt] [--skip-test]
"""

import argparse
import os
import subprocess
import time
import zlib

import numpy as np
from safetensors.numpy import load_file, save_file

VISION_WIDTH, VISION_LAYERS, TEXT_WIDTH, TEXT_LAYERS, DIM = 1280, 32, 1024, 24, 1024
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def shapes():
    v, t = VISION_WIDTH, TEXT_WIDTH
    out = {
        "logit_scale": (), "positional_embedding": (77, t), "text_projection": (t, DIM),
        "token_embedding.weight": (49408, t), "ln_final.weight": (t,), "ln_final.bias": (t,),
        "visual.class_embedding": (v,), "visual.positional_embedding": (257, v),
        "visual.proj": (v, DIM), "visual.conv1.weight": (v, 3, 14, 14),
    }
    for norm in ("visual.ln_pre", "visual.ln_post"):
        out |= {f"{norm}.weight": (v,), f"{norm}.bias": (v,)}
    for prefix, w, layers in (("visual.transformer", v, VISION_LAYERS), ("transformer", t, TEXT_LAYERS)):
        for i in range(layers):
            r = f"{prefix}.resblocks.{i}"
            for norm in ("ln_1", "ln_2"):
                out |= {f"{r}.{norm}.weight": (w,), f"{r}.{norm}.bias": (w,)}
            out |= {
                f"{r}.attn.in_proj_weight": (3 * w, w), f"{r}.attn.in_proj_bias": (3 * w,),
                f"{r}.attn.out_proj.weight": (w, w), f"{r}.attn.out_proj.bias": (w,),
                f"{r}.mlp.c_fc.weight": (4 * w, w), f"{r}.mlp.c_fc.bias": (4 * w,),
                f"{r}.mlp.c_proj.weight": (w, 4 * w), f"{r}.mlp.c_proj.bias": (w,),
            }
    return out


def draw(name, shape):
    if name == "logit_scale":
        return np.array(4.6, dtype=np.float16)
    x = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape, dtype=np.float32)
    if ".ln_" in name or name.startswith("ln_"):
        x = 1 + 0.1 * x if name.endswith("weight") else 0.05 * x
    elif name.endswith("bias"):
        x *= 0.02
    elif "embedding" in name:
        x *= 0.02 if "token" in name or name == "positional_embedding" else VISION_WIDTH**-0.5
    elif "conv1" in name:
        x *= (3 * 14 * 14) ** -0.5
    else:
        last = name.split(".")[-1]
        x *= shape[-1] ** -0.5 if "proj" not in last or "in_proj" in name else shape[0] ** -0.5
    return x.astype(np.float16)


def run(command, expected=0):
    """Runs a command; returns its output, seconds and own peak memory in GB."""
    started = time.time()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    out = child.stdout.read().strip()
    _, status, usage = os.wait4(child.pid, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended == expected, f"{command} ended with {ended}"
    return out, time.time() - started, usage.ru_maxrss / 1e6


def measure(binary, checkpoint, picture):
    """Loads the model with nothing to score, then scores one picture."""
    model = ["--reward", "hps-v2.1", "--weights", f"hps-v2.1={checkpoint}", "-q"]
    # A picture that is not there costs nothing but its error record (exit status 1).
    nothing = [binary, "score", "no-such-file.png", "--prompt", "x", *model, "--format", "jsonl"]
    one = [binary, "score", picture, "--prompt", "a photo", *model, "--format", "jsonl"]
    run(nothing, expected=1)  # fills the page cache and the digest cache
    load = min(run(nothing, expected=1)[1] for _ in range(3))
    out, seconds, peak = run(one)
    print(f"{os.path.basename(checkpoint)}: {out}")
    print(f"  load {load:.2f} s, load and first score {seconds:.2f} s, peak memory {peak:.2f} GB")
    assert load <= 3.0, "loading takes more than 3 s"
    assert peak <= 4.6, "memory exceeds 4.6 GB"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default=os.path.join(ROOT, "target", "full-size"))
    parser.add_argument("--pt", action="store_true", help="check the .pt format as well")
    parser.add_argument("--skip-test", action="store_true", help="measure only")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    files = [os.path.join(args.folder, "full.safetensors")]
    if not os.path.exists(files[0]):
        all_shapes = shapes()
        assert len(all_shapes) == 686 and sum(int(np.prod(s)) for s in all_shapes.values()) == 986_109_441
        save_file({name: draw(name, shape) for name, shape in all_shapes.items()}, files[0])
    if args.pt:
        import torch

        files.append(os.path.join(args.folder, "full.pt"))
        if not os.path.exists(files[1]):
            tensors = {k: torch.from_numpy(v) for k, v in load_file(files[0]).items()}
            torch.save({"state_dict": tensors}, files[1])
    subprocess.run(["cargo", "build", "--release"], check=True, cwd=ROOT)
    picture = os.path.join(ROOT, "tests", "fixtures", "reward", "images", "rgb.png")
    for file in files:
        measure(os.path.join(ROOT, "target", "release", "hps-loop"), file, picture)
    if not args.skip_test:
        test = ["cargo", "test", "--release", "--test", "fixtures", "full_size", "--", "--nocapture"]
        subprocess.run(test, check=True, cwd=ROOT, env=os.environ | {"HPS_FULL_CHECKPOINT": files[0]})


main()
