#!/usr/bin/env python3
"""Prints src/data/antialias/tests/values.rs: images that Pillow resized, and torchvision's usual evaluation transform.

    python3 scripts/pillow_resize.py > src/data/antialias/tests/values.rs
    python3 scripts/pillow_resize.py --tensors      # how torchvision's own kernel for tensors differs

Images come from a formula that the Rust side repeats; of the results there are hashes, of a few small ones all values.

Needs a Pillow before 12.2. Later ones go down before across for some tall images: 12.2 for those that are more than 100
times as high as wide, 13 for those that lose more than twice as many rows as columns.
"""
import random
import sys

import numpy as np
import PIL
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.functional import InterpolationMode

PAIRS, SQUARES = 240, 60
FIXED = [
    (1, 1, 1, 1), (1, 1, 7, 5), (300, 300, 1, 1), (1, 300, 300, 1), (300, 1, 1, 300), (2, 2, 300, 300),
    (300, 299, 299, 300), (64, 64, 32, 32), (64, 64, 64, 64), (64, 48, 64, 24), (48, 64, 24, 64), (28, 28, 32, 32),
    (255, 3, 2, 256), (100, 7, 33, 7), (7, 100, 7, 33),
]
SMALL = [(3, 4, 2, 3), (5, 5, 3, 2), (2, 3, 4, 5), (7, 6, 1, 4), (1, 9, 2, 3)]
SIDES = [(375, 500, 64), (500, 375, 64), (64, 64, 64), (64, 65, 64), (67, 64, 64), (1, 300, 9), (9, 4, 9)]


def image(height, width):
    """Noise; of every other width only black and white."""
    with np.errstate(over="ignore"):
        x = np.arange(height * width, dtype=np.uint64) + np.uint64(1000 * height + width)
        x = x * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    values = (x >> np.uint64(56)).astype(np.uint8)
    if width % 2:
        values = np.where(values < 128, 0, 255).astype(np.uint8)
    return values.reshape(height, width)


def fnv(values):
    hashed = 0xCBF29CE484222325
    for value in values.tobytes():
        hashed = (hashed ^ value) * 0x100000001B3 % 2**64
    return hashed


def resized(height, width, new_height, new_width):
    grey = Image.fromarray(image(height, width))
    out = np.asarray(grey.resize((new_width, new_height), Image.BILINEAR))
    # Every plane of a colour image is treated alike.
    colours = Image.merge("RGB", [grey, grey.transpose(Image.FLIP_LEFT_RIGHT), grey])
    colours = np.asarray(colours.resize((new_width, new_height), Image.BILINEAR))
    assert (colours[..., 0] == out).all() and (colours[..., 2] == out).all()
    return out


def cropped(height, width, side):
    grey = Image.fromarray(image(height, width))
    return np.asarray(v2.Compose([v2.Resize(side), v2.CenterCrop(side)])(grey))


def pairs():
    random.seed(3)
    side = lambda: round(300 ** random.random()) if random.random() < 0.7 else random.randint(1, 300)
    return FIXED + [tuple(side() for _ in range(4)) for _ in range(PAIRS - len(FIXED))]


def squares():
    random.seed(4)
    side = lambda: round(300 ** random.random())
    return SIDES + [(side(), side(), random.choice([5, 9, 16, 31, 32, 64])) for _ in range(SQUARES - len(SIDES))]


def places(height, width, side):
    """Size after torchvision's Resize, and the corner of its CenterCrop."""
    new_height, new_width = v2.functional.get_size(v2.Resize(side)(Image.new("L", (width, height))))
    corner = [int(round((new - side) / 2.0)) for new in (new_height, new_width)]
    return new_height, new_width, *corner


def digits(number):
    text = f"{number:016x}"
    return "0x" + "_".join(text[at:at + 4] for at in range(0, 16, 4))


def print_values():
    print("//! Written by scripts/pillow_resize.py; not edited by hand.\n")
    print("/// Height, width, new height, new width, and the FNV-1a hash of what Pillow makes of the image.")
    print("#[rustfmt::skip]")
    print(f"pub(super) const PAIRS: [(usize, usize, usize, usize, u64); {PAIRS}] = [")
    for case in pairs():
        print(f"    ({', '.join(map(str, case))}, {digits(fnv(resized(*case)))}),")
    print("];\n")
    print("/// The same with all values.")
    print("#[rustfmt::skip]")
    print(f"pub(super) const SMALL: [(usize, usize, usize, usize, &[u8]); {len(SMALL)}] = [")
    for case in SMALL:
        print(f"    ({', '.join(map(str, case))}, &{resized(*case).flatten().tolist()}),")
    print("];\n")
    print("/// Height, width and side; height and width after torchvision's `Resize(side)`, top and left of its")
    print("/// `CenterCrop(side)`, and the hash of what is left.")
    print("#[rustfmt::skip]")
    print(f"pub(super) const SQUARES: [([usize; 3], [usize; 4], u64); {SQUARES}] = [")
    for case in squares():
        print(f"    ({list(case)}, {list(places(*case))}, {digits(fnv(cropped(*case)))}),")
    print("];")


def print_tensors():
    count = differing = largest = 0
    for case in pairs():
        tensor = torch.from_numpy(image(*case[:2]))[None]
        size, mode = list(case[2:]), InterpolationMode.BILINEAR
        theirs = v2.functional.resize(tensor, size, interpolation=mode, antialias=True)[0].numpy()
        difference = np.abs(theirs.astype(int) - resized(*case).astype(int))
        count += difference.size
        differing += int((difference > 0).sum())
        largest = max(largest, int(difference.max()))
    print(f"{differing} of {count} values differ, by at most {largest}")


if __name__ == "__main__":
    if tuple(map(int, PIL.__version__.split(".")[:2])) >= (12, 2):
        sys.exit(f"Pillow {PIL.__version__} takes another order for tall images: pip install 'pillow<12.2'")
    print_tensors() if "--tensors" in sys.argv else print_values()
