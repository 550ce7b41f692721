"""Reference values for the CLIP preprocessing of hps-reward.

Needs (PyPI): transformers>=5 torch "pillow<13" numpy safetensors

Usage: python make_clip_preprocess_values.py OUT_FILE
       (OUT_FILE is crates/hps-reward/tests/data/clip_preprocess.safetensors)

transformers 5 has two processors for CLIP. `CLIPImageProcessorPil` resizes 8-bit samples with Pillow, as
OpenAI's code and every earlier `CLIPImageProcessor` did; the published CLIPScore, PickScore and aesthetic
numbers come from it, so it is the reference here. The torchvision-backed `CLIPImageProcessor` differs slightly.
Pillow before 13 always resizes rows first, then columns; Pillow 13.0 turns the order round for some sizes, which
changes samples by at most one. The published numbers are older, so this needs an older Pillow.

Per case `WxH-N` (a W x H picture made by `picture`, processed to side N) the file holds the 8-bit crop
[3, N, N], and `normalised`: the f32 result of the first case.
"""
import sys

import numpy as np
import PIL
import transformers
from PIL import Image
from safetensors.numpy import save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

CASES = [
    (64, 48, 32), (48, 64, 32), (33, 97, 32), (32, 32, 32), (32, 50, 32), (7, 5, 32), (1, 1, 32), (1, 40, 32),
    (300, 20, 24), (501, 333, 32), (97, 61, 24), (2, 1000, 16), (1023, 767, 32), (25, 24, 24), (1000, 999, 40),
]

assert int(PIL.__version__.split(".")[0]) < 13, "the order of the two passes changed in Pillow 13"


def picture(width, height):
    """Smooth areas, edges and noise from integer arithmetic only; the test repeats it."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3].astype(np.int64)
    return (((x * x * 3 + y * y * 5 + x * y * 7 + c * 340) >> 4) & 255).astype(np.uint8)


def processor(size, **options):
    return CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size}, **options)


def process(case, **options):
    width, height, size = case
    image = Image.fromarray(picture(width, height))
    return np.asarray(processor(size, **options)(image, return_tensors="np")["pixel_values"][0])


tensors = {"normalised": np.ascontiguousarray(process(CASES[0]).astype(np.float32))}
for case in CASES:
    crop = process(case, do_rescale=False, do_normalize=False)
    assert crop.dtype == np.uint8 and crop.shape == (3, case[2], case[2]), (crop.dtype, crop.shape)
    tensors["{}x{}-{}".format(*case)] = np.ascontiguousarray(crop)
versions = {"transformers": transformers.__version__, "pillow": PIL.__version__, "numpy": np.__version__}
save_file(tensors, sys.argv[1], metadata=versions)
