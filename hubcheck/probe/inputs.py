"""Make the arrays that modules are called with. Needs numpy, not TensorFlow."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hubcheck.probe.plan.steps import InputSpec

_SENTENCES = ("a cat sits on a wall", "", "la mer est belle", "0123456789", "A longer sentence, with commas, ends.")


def make_input(spec: InputSpec, seed: int) -> np.ndarray[Any, Any]:
    """Return the array that a spec describes (float32 for bfloat16, which numpy lacks).

    The same spec and seed give the same array on every machine.
    """
    if spec.value is not None:
        return np.array(spec.value)
    row = spec.shape[1:]
    if spec.dtype == "string":
        texts = np.empty(spec.shape, object)
        for index, name in enumerate(spec.images):
            texts[index] = _SENTENCES[_seed_of(name, seed) % len(_SENTENCES)].encode()
        return texts
    if spec.color:
        images = np.stack([make_image(name, (*row[:-1], 3), seed) for name in spec.images])
        color = np.array(spec.color, np.float32)
        return np.asarray(images @ color[:, :3].T + color[:, 3]).astype(spec.dtype)
    values = np.stack([make_image(name, row, seed) for name in spec.images])
    if spec.dtype == "bool":
        return np.asarray(values > 0.5)
    if spec.dtype in ("float16", "float32", "float64", "bfloat16"):
        dtype = np.dtype("float32" if spec.dtype == "bfloat16" else spec.dtype)
        return np.asarray(spec.low + values * (spec.high - spec.low)).astype(dtype)
    integer = np.dtype(spec.dtype)
    return np.asarray(np.rint(values * min(255, np.iinfo(integer).max)), integer)


def make_image(name: str, row: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """Return the image of that name with values in [0, 1], float32 [height, width, channels] or of another shape."""
    kind, _, number = name.partition("-")
    match kind:
        case "black" | "gray" | "white":
            return np.full(row, {"black": 0.0, "gray": 0.5, "white": 1.0}[kind], np.float32)
        case "noise":
            return np.random.default_rng(_seed_of(name, seed)).random(row, np.float32)
        case _ if len(row) != 3:
            return np.random.default_rng(_seed_of(name, seed)).random(row, np.float32) ** 2
        case "gradient":
            return _gradient(row, across=number == "0")
        case "checks":
            down, across = np.indices(row[:2]) // max(1, min(row[:2]) // 7)
            return np.repeat(((down + across) % 2)[..., None], row[2], axis=2).astype(np.float32)
        case "photo":
            return _resize(_photos()[int(number)], row)
        case _:
            raise ValueError(f"there is no test image {name!r}")


def _seed_of(name: str, seed: int) -> int:
    return zlib.crc32(f"{seed}/{name}".encode())


def _gradient(row: tuple[int, ...], *, across: bool) -> np.ndarray[Any, Any]:
    height, width, channels = row
    ramp = np.linspace(0, 1, width if across else height, dtype=np.float32)
    plane = np.broadcast_to(ramp if across else ramp[:, None], (height, width))
    return np.stack([plane if channel % 2 == 0 else 1 - plane for channel in range(channels)], axis=2)


@cache
def _photos() -> np.ndarray[Any, Any]:
    """Return three photographs (see photos/README.md) with values in [0, 1], float32 [photo, height, width, 3]."""
    stored = np.load(Path(__file__).with_name("photos") / "photos.npy", allow_pickle=False)
    return np.asarray(stored / np.float32(255), np.float32)


def _resize(image: np.ndarray[Any, Any], row: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Resize bilinearly with half-pixel centres; channels are repeated or dropped."""
    for axis in (0, 1):
        old, new = image.shape[axis], row[axis]
        position = np.clip((np.arange(new, dtype=np.float32) + 0.5) * (old / new) - 0.5, 0, old - 1)
        below = np.floor(position).astype(int)
        weight = (position - below).reshape([-1 if a == axis else 1 for a in range(3)]).astype(np.float32)
        above = np.minimum(below + 1, old - 1)
        image = np.take(image, below, axis) * (1 - weight) + np.take(image, above, axis) * weight
    return np.asarray(image[..., np.arange(row[2]) % image.shape[2]], np.float32)
