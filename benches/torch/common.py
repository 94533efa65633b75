"""What the scripts of this directory share: names of networks, data, the fmtui binary. Standard library only."""
import gzip
import math
import os
import pathlib
import resource
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# The networks of the speed comparison, with the letters by which `fmtui bench` knows them too.
NETWORKS = {
    "A": "mlp-100-100-50", "B": "lenet5", "C": "modern-lenet", "D": "improved-cnn", "E": "resnet18-scratch",
}
MINI = ROOT / "data" / "fashion-mnist-mini"
TRAIN_IMAGES = "train-images-idx3-ubyte"
# Of Fashion-MNIST's training images, as fmtui normalises them.
MEAN, STD = 0.2859, 0.3530


def letters(text):
    """Letters of networks, such as `ABD`; for argparse."""
    if not text or set(text) - set(NETWORKS):
        raise ValueError(text)
    return text


def numbers(text):
    """Whole numbers separated by commas; for argparse."""
    return [int(number) for number in text.split(",")]


def add_data_dir(parser):
    parser.add_argument(
        "--data-dir", type=data_directory, default=data_directory(None), metavar="DIR",
        help="directory with the four IDX files (default: the full Fashion-MNIST where it is installed, "
             "else the mini images of the repository)",
    )


def data_directory(given):
    """The directory of the IDX files: the one given, an installed Fashion-MNIST, or the built-in mini images."""
    if given is not None:
        places = [pathlib.Path(given), pathlib.Path(given) / "fashion-mnist"]
    else:
        outside = [os.environ[name] for name in ("FMTUI_DATA_DIR",) if os.environ.get(name)]
        parents = [*map(pathlib.Path, outside), ROOT / "data", pathlib.Path("/usr/share/datasets")]
        places = [parent / "fashion-mnist" for parent in parents] + [MINI]
    for place in places:
        if idx_file(place, TRAIN_IMAGES):
            return place
    sys.exit(f"{given} has no {TRAIN_IMAGES}[.gz]; give the directory of the four IDX files")


def add_binary(parser):
    parser.add_argument("--binary", metavar="FMTUI", help="default: target/release/fmtui, else fmtui on the PATH")


def fmtui_binary(given):
    """The path of fmtui: the one given, the release build of this clone, or the one on the PATH."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    found = shutil.which(given or target / "release" / "fmtui") or (not given and shutil.which("fmtui"))
    if not found:
        sys.exit(f"there is no program {given or 'target/release/fmtui'}; run `cargo build --release` or give --binary")
    return str(pathlib.Path(found).resolve())


def idx_file(directory, name):
    found = (directory / f"{name}{suffix}" for suffix in (".gz", ""))
    return next((path for path in found if path.exists()), None)


def read_idx(directory, name):
    """Shape and bytes of an IDX file, gzipped or not."""
    path = idx_file(directory, name)
    if path is None:
        sys.exit(f"{directory} has no {name}[.gz]")
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    header = 4 + 4 * data[3]
    shape = [int.from_bytes(data[at:at + 4], "big") for at in range(4, header, 4)]
    if math.prod(shape) != len(data) - header:
        sys.exit(f"{path} is truncated")
    return shape, bytearray(data[header:])


def peak_memory_bytes():
    # In bytes on macOS, in KiB elsewhere.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
