"""Makes eight photographs to score, from pictures that scikit-image carries in its wheel.

Their longer side is 768 to 1024 pixels (Lanczos, so mostly enlarged), every other one
is a JPEG of quality 90, the rest are PNG; two are grey. No picture is downloaded.

Needs (PyPI): numpy pillow scikit-image
Usage: python scripts/make_photos.py --out DIR
"""

import argparse
import os

import numpy as np
from PIL import Image

# Name in scikit-image and longer side in pixels.
PHOTOS = [
    ("coffee.png", 1024), ("astronaut.png", 768), ("chelsea.png", 896), ("motorcycle_left.png", 1024),
    ("rocket.jpg", 960), ("hubble_deep_field.jpg", 1000), ("camera.png", 768), ("brick.png", 832),
]


def make_photos(folder):
    """Writes the photographs into `folder`; returns their paths."""
    import skimage.data

    source = os.path.dirname(skimage.data.__file__)
    os.makedirs(folder, exist_ok=True)
    paths = []
    for index, (name, side) in enumerate(PHOTOS):
        stem = name.split(".")[0]
        file = os.path.join(source, name)
        if os.path.exists(file):
            image = Image.open(file)
        else:
            # Versions whose wheel has fewer pictures fetch them on first use.
            image = Image.fromarray(np.asarray(getattr(skimage.data, stem)()))
        image = image if image.mode in ("L", "RGB") else image.convert("RGB")
        scale = side / max(image.size)
        size = [round(scale * length) for length in image.size]
        ending, options = (".jpg", {"quality": 90}) if index % 2 else (".png", {})
        paths.append(os.path.join(folder, stem + ending))
        image.resize(size, Image.Resampling.LANCZOS).save(paths[-1], **options)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="DIR", help="where to write")
    for path in make_photos(parser.parse_args().out):
        print(path, "x".join(map(str, Image.open(path).size)))
