#!/usr/bin/env python3
"""Pixels as Pillow decodes them, for tests/program/real_data.rs.

    scripts/pillow_pixels.py digest FILE …   # one SHA-256 over all files, in the order given
    scripts/pillow_pixels.py raw FILE OUT    # the pixels of one file

Pixels are bytes, channel by channel and row by row. Needs pillow.
"""
import hashlib
import pathlib
import sys

from PIL import Image


def planes(path):
    image = Image.open(path)
    if image.mode not in ("L", "RGB"):
        sys.exit(f"{path} is {image.mode}")
    return b"".join(plane.tobytes() for plane in image.split())


match sys.argv[1:]:
    case ["digest", *files] if files:
        print(hashlib.sha256(b"".join(map(planes, files))).hexdigest())
    case ["raw", file, out]:
        pathlib.Path(out).write_bytes(planes(file))
    case _:
        sys.exit(__doc__)
