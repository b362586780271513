"""Details of many modules, packed: a browser unpacks those of a module when the user opens it.

Neighbours are compressed together, because their details are alike; images are stored once.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice

from markupsafe import Markup

BLOCK_SIZE = 16


class ImageTable:
    """The images of a page, each with a number."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._new: list[tuple[int, bytes]] = []

    def number(self, png: bytes) -> int:
        """Return the number of an image, the same for the same image."""
        digest = sha256(png).digest()
        if digest not in self._numbers:
            self._numbers[digest] = len(self._numbers)
            self._new.append((self._numbers[digest], png))
        return self._numbers[digest]

    def take_new(self) -> list[tuple[int, bytes]]:
        """Return the numbers and the images that are new since the last call."""
        new, self._new = self._new, []
        return new


def blocks(cards: Iterable[str]) -> Iterator[Markup]:
    """Yield blocks of BLOCK_SIZE cards each: a JSON array of their markup, compressed (raw deflate), as base64."""
    remaining = iter(cards)
    while batch := list(islice(remaining, BLOCK_SIZE)):
        compressor = zlib.compressobj(9, wbits=-15)
        yield base64_text(compressor.compress(json.dumps(batch).encode()) + compressor.flush())


def base64_text(data: bytes) -> Markup:
    """Return bytes as base64, which has no character that markup knows."""
    return Markup(base64.b64encode(data).decode())
