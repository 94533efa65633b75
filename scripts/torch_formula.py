"""Numbers from one formula that tests/support/formula.rs repeats, so that nothing but results is exchanged."""
import math

import numpy as np
import torch

MASK = 0xFFFFFFFF


def fnv(text):
    """FNV-1a, 32 bits: the number of a stream."""
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & MASK
    return h


def hashes(stream, count):
    """32 bits a number, of which the upper 24 are used."""
    start = np.uint32((stream * 40503 + 12345) & MASK)
    h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + start
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x045D9F3B)
    h ^= h >> np.uint32(16)
    return h


def fill(stream, shape, scale, shift=0.0):
    """Uniform numbers in shift ± scale."""
    unit = (hashes(stream, math.prod(shape)) >> np.uint32(8)).astype(np.float32) / np.float32(2**23) - np.float32(1)
    return torch.from_numpy((unit * np.float32(scale) + np.float32(shift)).reshape(tuple(shape)))
