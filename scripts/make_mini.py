#!/usr/bin/env python3
"""Makes data/fashion-mnist-mini: the first 200 training and the first 50 test images of each class.

    scripts/make_mini.py [SOURCE] [TARGET]

SOURCE holds the four gzipped IDX files of the real Fashion-MNIST (default /usr/share/datasets/fashion-mnist),
TARGET is written (default data/fashion-mnist-mini beside this script's directory). Images keep the order they
have in the real files. Needs Python's standard library only; the same source gives the same bytes.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

PER_CLASS = {"train": 200, "t10k": 50}
CLASSES = 10
# Of the decompressed files, which are the same everywhere.
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

LICENSE = """The MIT License (MIT) Copyright © 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the “Software”), to deal in the Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and
to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of
the Software.

THE SOFTWARE IS PROVIDED “AS IS”, WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
IN THE SOFTWARE.
"""

README = """# fashion-mnist-mini

The first 200 training and the first 50 test images of each class of
[Fashion-MNIST](https://github.com/zalandoresearch/fashion-mnist) (Xiao, Rasul and Vollgraf, 2017), in the order
they have in the real files: 2,000 + 500 grey images of 28×28, in the same IDX layout. Made by
`scripts/make_mini.py`, compiled into `fmtui`. The images are Zalando's, under the MIT licence beside this file.

SHA-256 of the decompressed files:

| file | bytes | SHA-256 |
|---|---:|---|
"""


def read(source: Path, name: str) -> bytes:
    data = gzip.decompress((source / f"{name}.gz").read_bytes())
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        sys.exit(f"{source / name}.gz is not the real Fashion-MNIST; fetch it again")
    return data


def write(target: Path, name: str, data: bytes) -> str:
    # mtime 0 and no file name in the header, so that the same data gives the same file.
    (target / f"{name}.gz").write_bytes(gzip.compress(data, compresslevel=9, mtime=0))
    return f"| {name} | {len(data):,} | `{hashlib.sha256(data).hexdigest()}` |\n"


def main() -> None:
    arguments = sys.argv[1:]
    source = Path(arguments[0] if arguments else "/usr/share/datasets/fashion-mnist")
    beside = Path(__file__).resolve().parent.parent / "data" / "fashion-mnist-mini"
    target = Path(arguments[1]) if len(arguments) > 1 else beside
    target.mkdir(parents=True, exist_ok=True)
    rows = ""
    for part, per_class in PER_CLASS.items():
        images = read(source, f"{part}-images-idx3-ubyte")
        labels = read(source, f"{part}-labels-idx1-ubyte")[8:]
        _, _, height, width = struct.unpack(">IIII", images[:16])
        size = height * width
        taken = [0] * CLASSES
        kept = []
        for index, label in enumerate(labels):
            if taken[label] < per_class:
                taken[label] += 1
                kept.append(index)
        pixels = b"".join(images[16 + i * size : 16 + (i + 1) * size] for i in kept)
        header = struct.pack(">IIII", 0x0803, len(kept), height, width)
        rows += write(target, f"{part}-images-idx3-ubyte", header + pixels)
        header = struct.pack(">II", 0x0801, len(kept))
        rows += write(target, f"{part}-labels-idx1-ubyte", header + bytes(labels[i] for i in kept))
    (target / "LICENSE").write_text(LICENSE, encoding="utf-8")
    (target / "README.md").write_text(README + rows, encoding="utf-8")


main()
