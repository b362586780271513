"""Hypothesis strategies for tests of a module's properties.

from hypothesis import given
from hubcheck import hub
from hubcheck.testing import strategies

module = hub.Module("exports/m")

@given(strategies.image_batches("exports/m"))
def test_features_are_never_negative(images):
    assert (module(images).numpy() >= 0).all()
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hubcheck.module.types import Module
from hubcheck.util.errors import UserError

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from hypothesis.strategies import SearchStrategy

    Image: TypeAlias = np.ndarray[Any, Any]

Size = tuple[int, int]
Colour = tuple[float, float, float]


def image_batches(
    module: str | os.PathLike[str] | Module | Size, *, min_batch: int = 1, max_batch: int = 5
) -> SearchStrategy[Image]:
    """Batches of images that a module must accept: float32 [batch, height, width, 3], values in [0, 1].

    The images are plain, gradients, checkerboards and noise. Failures shrink towards one black image.

    Args:
        module: a module's folder, what `hubcheck.read` returns for it, or a height and width in pixels.
        min_batch: the smallest batch.
        max_batch: the largest batch.

    Raises:
        UserError: the module declares no image size.
    """
    import numpy as np
    from hypothesis import strategies as st

    return st.lists(images(*_size(module)), min_size=min_batch, max_size=max_batch).map(np.stack)


def images(height: int, width: int) -> SearchStrategy[Image]:
    """Single images: float32 [height, width, 3], values in [0, 1], from plain ones to noise."""
    from hypothesis import strategies as st

    channel = st.floats(0, 1, width=32)
    colour = st.tuples(channel, channel, channel)
    # Hypothesis shrinks towards fewer choices and earlier samples: all kinds draw the same, and the first is plain.
    kinds = st.sampled_from(("plain", "gradient", "checkerboard", "noise"))
    return st.builds(_image, kinds, colour, colour, st.integers(0, 2**16), st.just((height, width)))


def _size(module: str | os.PathLike[str] | Module | Size) -> Size:
    if isinstance(module, tuple):
        return module
    from hubcheck.remote.sources import read
    from hubcheck.rulebook.contract import declared_size, expected_image_size, load_contracts

    facts = module if isinstance(module, Module) else read(module)
    contracts = [contract for contract in load_contracts().values() if "images" in contract.inputs]
    for contract in contracts:
        size = expected_image_size(facts, contract.inputs["images"])
        if size is None and facts.inference is not None and contract.name in facts.inference.signatures:
            size = declared_size(facts.inference.signatures[contract.name], contract.inputs["images"])
        if size is not None:
            return size
    raise UserError(f"{facts.path} declares no image size; give one: image_batches((height, width))")


def _image(kind: str, one: Colour, other: Colour, number: int, size: Size) -> Image:
    """Return an image of two colours; `number` is the direction of a gradient, the side of squares, or a seed."""
    import numpy as np

    if kind == "noise":
        return np.random.default_rng(number).random((*size, 3), dtype=np.float32)
    if kind == "plain":
        share: Image = np.zeros(size)
    elif kind == "gradient":
        steps = np.linspace(0, 1, size[0 if number % 2 else 1], dtype=np.float32)
        share = steps[:, None] if number % 2 else steps[None, :]
    else:
        side = 1 + number % max(size)
        rows, columns = np.ogrid[: size[0], : size[1]]
        share = (rows // side + columns // side) % 2
    share = share[:, :, None].astype(np.float32)
    image = np.array(one, np.float32) * (1 - share) + np.array(other, np.float32) * share
    return np.broadcast_to(np.clip(image, 0, 1), (*size, 3)).astype(np.float32)
