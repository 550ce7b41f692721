"""Reference values for the image decoders of hps-reward: what Pillow's `convert("RGB")` makes of small files.

Needs (PyPI): pillow numpy safetensors

Usage: python make_decode_values.py OUT_FILE
       (OUT_FILE is crates/hps-reward/tests/data/decode.safetensors)

Per file `NAME` the output holds `NAME/file`, its bytes, and `NAME/rgb` [height, width, 3], its pixels.
"""
import io
import struct
import sys
import warnings
import zlib

import numpy as np
import PIL
from PIL import Image
from safetensors.numpy import save_file

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20230616)
files = {}


def scene(width, height):
    """Gradients with noise, RGB."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 80 * np.sin(x / (3 + c) + c) + 40 * np.cos(y / (4 + c)) for c in range(3)]
    return np.clip(np.stack(planes, -1) + rng.normal(0, 15, (height, width, 3)), 0, 255).astype(np.uint8)


def add(name, image, **options):
    buffer = io.BytesIO()
    image.save(buffer, {"jpg": "JPEG", "tif": "TIFF", "pgm": "PPM", "pbm": "PPM"}.get(name.split(".")[-1], name.split(".")[-1]), **options)
    files[name] = buffer.getvalue()


# JPEG: every subsampling at sizes around block and MCU borders
for width, height in ((1, 1), (3, 5), (17, 16), (33, 18)):
    image = Image.fromarray(scene(width, height))
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        add(f"{width}x{height}-{subsampling.replace(':', '')}.jpg", image, quality=85, subsampling=subsampling)


def relabel(name, luma_factors, width, height):
    """Another subsampling with as many blocks per MCU, which Pillow does not write, and a size with as many MCUs."""
    data = bytearray(files[name])
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    data[frame + 11] = luma_factors
    return bytes(data)


files["440.jpg"] = relabel("33x18-422.jpg", 0x12, 22, 45)
files["411.jpg"] = relabel("33x18-420.jpg", 0x41, 65, 13)
files["14.jpg"] = relabel("33x18-420.jpg", 0x14, 13, 65)
wide = Image.fromarray(scene(50, 21))
add("progressive-420.jpg", wide, quality=90, progressive=True)
add("progressive-restart.jpg", wide, quality=70, progressive=True, restart_marker_blocks=2)
add("restart-blocks.jpg", wide, quality=80, restart_marker_blocks=3)
add("restart-rows.jpg", wide, quality=80, restart_marker_rows=1)
add("adobe-rgb.jpg", wide, quality=80, keep_rgb=True)
add("cmyk-420.jpg", wide.convert("CMYK"), quality=80, subsampling=2)
add("coarse.jpg", wide, quality=5)
add("fine.jpg", wide, quality=100)

# other formats as Pillow writes them
image = Image.fromarray(scene(13, 9))
alpha = rng.integers(0, 256, (9, 13, 1)).astype(np.uint8)
transparent = Image.fromarray(np.dstack([scene(13, 9), alpha]), "RGBA")
for mode in ("1", "L", "RGB", "RGBA", "P"):
    source = transparent if mode == "RGBA" else image
    add(f"{mode}.bmp", source.quantize(7) if mode == "P" else source.convert(mode))
for mode in ("1", "L", "LA", "RGB", "RGBA", "CMYK"):
    source = (transparent if "A" in mode else image).convert(mode)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        add(f"{mode}-{compression}.tif", source, compression=compression)
add("gray16.tif", Image.fromarray(rng.integers(0, 700, (9, 13)).astype(np.uint16)))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("jpg", "png", "tif"):
        add(f"orientation{orientation}.{suffix}", image, exif=exif)
add("lossy.webp", image, quality=60)
add("lossy-alpha.webp", transparent, quality=60, exact=True)
add("lossless-alpha.webp", transparent, lossless=True, exact=True)
for colors in (2, 4, 16, 200):
    add(f"palette{colors}.png", image.quantize(colors), transparency=b"\0\x80")
    add(f"palette{colors}.gif", image.quantize(colors), interlace=1, transparency=1)
add("raw.pbm", image.convert("1"))
add("raw.pgm", image.convert("L"))

# GIF frames that do not fill, or stick out of, the canvas
add("still.gif", image.quantize(16))
still = bytearray(files.pop("still.gif"))
start = still.index(b",\0\0\0\0")
still[start + 1], still[start + 3] = 5, 7
files["frame-sticks-out.gif"] = bytes(still)
still[6], still[8] = 30, 20
files["frame-inside.gif"] = bytes(still)


# PNG kinds that Pillow does not write
def png(depth, color_type, rows, extra=b"", interlaced=0):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 13, 9, depth, color_type, 0, 0, interlaced)
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + (chunk(*extra) if extra else b"") + body + chunk(b"IEND", b"")


def noise(row_bytes):
    return [rng.integers(0, 256, row_bytes).astype(np.uint8).tobytes() for _ in range(9)]


def adam7(samples, depth):
    """Rows of the seven passes; samples [9, 13] of `depth` bits."""
    rows = []
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in samples[y0::dy, x0::dx]:
            bits = "".join(format(v, f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            rows.append(bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)))
    return [row for row in rows if row]


for depth, row_bytes in ((1, 2), (2, 4), (4, 7)):
    files[f"gray{depth}.png"] = png(depth, 0, noise(row_bytes))
    palette = (b"PLTE", rng.integers(0, 256, 3 << depth).astype(np.uint8).tobytes())
    samples = rng.integers(0, 1 << depth, (9, 13))
    files[f"interlaced-palette{depth}.png"] = png(depth, 3, adam7(samples, depth), palette, 1)
files["interlaced-gray.png"] = png(8, 0, adam7(rng.integers(0, 256, (9, 13)), 8), b"", 1)
files["gray16.png"] = png(16, 0, noise(26))
files["gray-alpha16.png"] = png(16, 4, noise(52))
files["rgb16.png"] = png(16, 2, noise(78))
files["rgba16.png"] = png(16, 6, noise(104))
files["gray16-transparent.png"] = png(16, 0, noise(26), (b"tRNS", b"\0\5"))
files["rgb-transparent.png"] = png(8, 2, noise(39), (b"tRNS", b"\0\5\0\5\0\5"))
files["short-palette.png"] = png(8, 3, noise(13), (b"PLTE", bytes(range(100, 130))))

tensors = {}
for name, data in files.items():
    tensors[f"{name}/file"] = np.frombuffer(data, np.uint8)
    tensors[f"{name}/rgb"] = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
save_file(tensors, sys.argv[1], metadata={"pillow": PIL.__version__, "numpy": np.__version__})
