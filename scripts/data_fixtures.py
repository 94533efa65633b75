#!/usr/bin/env python3
"""Writes the small generated files that the tests of data formats read, into src/data/formats/testdata.

    python3 scripts/data_fixtures.py

Needs numpy 2. Images are made of formulas (`pixel` below, which the tests have too), none is real. Pickles are gzipped;
every file is the same whenever it is written.
"""

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

OUT = Path(__file__).parent.parent / "src/data/formats/testdata"


def images(count, *shape):
    """Value `at` of image `i` is (31·i + 7·at) mod 251."""
    values = int(np.prod(shape))
    i, at = np.arange(count)[:, None], np.arange(values)[None, :]
    return ((31 * i + 7 * at) % 251).astype(np.uint8).reshape(count, *shape)


def packed(name, data):
    (OUT / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))


def python_2(data, labels):
    """As cPickle and numpy 1 of Python 2 wrote the published batches."""
    raw = data.tobytes()
    out = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05("
    out += b"".join(b"K" + bytes([label]) for label in labels)
    out += b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09"
    out += b"(K\x01K" + bytes([len(data)]) + b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b"
    out += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + len(raw).to_bytes(4, "little") + raw
    out += b"tbU\x09filenamesq\x0c]q\x0d(U\x05a.pngq\x0eU\x05b.pngq\x0feu."
    loaded = pickle.loads(out, encoding="bytes")
    assert (loaded[b"data"] == data).all() and loaded[b"labels"] == labels
    return out


def cifar():
    data = images(2, 3072)
    packed("cifar_python2.pickle", python_2(data, [6, 9]))
    bytes_keys = {b"labels": [6, 9], b"data": data, b"filenames": [b"a.png", b"b.png"]}
    packed("cifar_protocol2.pickle", pickle.dumps(bytes_keys, protocol=2))
    hundred = {"coarse_labels": [11, 15], "fine_labels": [19, 29], "data": data}
    packed("cifar_protocol5.pickle", pickle.dumps(hundred, protocol=5))
    packed("cifar_planes.pickle", pickle.dumps(bytes_keys | {b"data": data.reshape(2, 3, 32, 32)}, protocol=4))
    packed("cifar_fortran.pickle", pickle.dumps(bytes_keys | {b"data": np.asfortranarray(data)}, protocol=4))
    packed("cifar_int64.pickle", pickle.dumps(bytes_keys | {b"data": data.astype(np.int64)}, protocol=4))
    packed("cifar_meta.pickle", pickle.dumps({b"label_names": [b"one", b"two"]}, protocol=2))


def npz(name, compressed, **arrays):
    """`np.savez` with a fixed date."""
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(OUT / name, "w", kind) as archive:
        for key, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, np.asanyarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = kind
            with archive.open(member, "w", force_zip64=True) as file:
                file.write(data.getvalue())
    loaded = np.load(OUT / name)
    assert all((loaded[key] == array).all() for key, array in arrays.items())


def numpy_archives():
    grey, colour = images(4, 2, 3), images(4, 2, 3, 3)
    labels = np.array([[0], [1], [1], [0]], np.uint8)
    splits = {"train": slice(0, 4), "val": slice(0, 1), "test": slice(1, 3)}
    medmnist = {}
    for split, which in splits.items():
        medmnist |= {f"{split}_images": colour[which], f"{split}_labels": labels[which]}
    npz("medmnist.npz", True, **medmnist)
    flat = labels[:, 0]
    keras = {"x_train": grey, "y_train": flat, "x_test": grey[:2], "y_test": flat[:2]}
    npz("keras.npz", False, **keras)
    npz("floats.npz", True, images=(grey / 255).astype(np.float32), labels=flat.astype(">i4"))


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    cifar()
    numpy_archives()
    print(sum(path.stat().st_size for path in OUT.iterdir()), "bytes in", OUT)
