"""Pictures as arrays. Needs numpy, not TensorFlow."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hubcheck.probe.plan.steps import Feed

_SENTENCES = ("a cat sits on a wall", "", "la mer est belle", "0123456789", "A longer sentence, with commas, ends.")


def make(feed: Feed, seed: int) -> np.ndarray[Any, Any]:
    """The array to feed, of the feed's shape and dtype (float32 for bfloat16, which numpy lacks).

    The same feed and seed give the same array on every machine.
    """
    if feed.flag is not None:
        return np.array(feed.flag)
    row = feed.shape[1:]
    if feed.dtype == "string":
        words = np.empty(feed.shape, object)
        for place, name in enumerate(feed.pictures):
            words[place] = _SENTENCES[_number(name, seed) % len(_SENTENCES)].encode()
        return words
    values = np.stack([paint(name, row, seed) for name in feed.pictures])
    if feed.dtype == "bool":
        return np.asarray(values > 0.5)
    if feed.dtype in ("float16", "float32", "float64", "bfloat16"):
        real = np.dtype("float32" if feed.dtype == "bfloat16" else feed.dtype)
        return np.asarray(feed.low + values * (feed.high - feed.low)).astype(real)
    whole = np.dtype(feed.dtype)
    return np.asarray(np.rint(values * min(255, np.iinfo(whole).max)), whole)


def paint(name: str, row: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """One picture with values in [0, 1], float32 [height, width, channels], or whatever shape `row` is."""
    kind, _, number = name.partition("-")
    match kind:
        case "black" | "gray" | "white":
            return np.full(row, {"black": 0.0, "gray": 0.5, "white": 1.0}[kind], np.float32)
        case "noise":
            return np.random.default_rng(_number(name, seed)).random(row, np.float32)
        case _ if len(row) != 3:
            return np.random.default_rng(_number(name, seed)).random(row, np.float32) ** 2
        case "gradient":
            return _gradient(row, across=number == "0")
        case "checks":
            down, across = np.indices(row[:2]) // max(1, min(row[:2]) // 7)
            return np.repeat(((down + across) % 2)[..., None], row[2], axis=2).astype(np.float32)
        case "photo":
            return _resize(_photos()[int(number)], row)
        case _:
            raise ValueError(f"no picture is called {name!r}")


def _number(name: str, seed: int) -> int:
    return zlib.crc32(f"{seed}/{name}".encode())


def _gradient(row: tuple[int, ...], *, across: bool) -> np.ndarray[Any, Any]:
    height, width, channels = row
    ramp = np.linspace(0, 1, width if across else height, dtype=np.float32)
    plane = np.broadcast_to(ramp if across else ramp[:, None], (height, width))
    return np.stack([plane if channel % 2 == 0 else 1 - plane for channel in range(channels)], axis=2)


@cache
def _photos() -> np.ndarray[Any, Any]:
    """Three photographs with values in [0, 1], float32 [photo, height, width, 3]; photos/README.md tells of what."""
    stored = np.load(Path(__file__).with_name("photos") / "photos.npy", allow_pickle=False)
    return np.asarray(stored / np.float32(255), np.float32)


def _resize(picture: np.ndarray[Any, Any], row: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Bilinear, half-pixel centres; channels are repeated or cut to as many as are wanted."""
    for axis in (0, 1):
        old, new = picture.shape[axis], row[axis]
        at = np.clip((np.arange(new, dtype=np.float32) + 0.5) * (old / new) - 0.5, 0, old - 1)
        below = np.floor(at).astype(int)
        part = (at - below).reshape([-1 if a == axis else 1 for a in range(3)]).astype(np.float32)
        above = np.minimum(below + 1, old - 1)
        picture = np.take(picture, below, axis) * (1 - part) + np.take(picture, above, axis) * part
    return np.asarray(picture[..., np.arange(row[2]) % picture.shape[2]], np.float32)
