"""What the HTML report shows of a run: the test images with what came out for each, and histograms of the outputs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from hubcheck.checks.classification import label_files
from hubcheck.checks.context import Context
from hubcheck.engine.details import Histogram, ImageOutput, InputImage
from hubcheck.module.assets import MAX_ASSET_BYTES
from hubcheck.module.limits import read_file
from hubcheck.module.types import Module
from hubcheck.probe.observations import Run
from hubcheck.util.text import printable, text_lines

_BINS = 32
_MAX_SIDE = 64
"""Height and width of an image in the report, in pixels."""
_MAX_CLASSES = 3
_MAX_NAME = 60
"""Characters of the name of a class."""


def histogram(run: Run) -> Histogram | None:
    """Return the histogram of a run's default output; None if it has no finite values."""
    import numpy as np

    if "default" not in run.outputs:
        return None
    values = np.atleast_1d(np.asarray(run.outputs["default"].values, np.float64))
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    counts, edges = np.histogram(finite, bins=_BINS)
    rows = values.reshape(len(values), -1)
    constant = float((rows == rows[0]).all(axis=0).mean()) if len(rows) > 1 else 0.0
    return Histogram(
        str(run.target.signature), run.device, float(edges[0]), float(edges[-1]), tuple(map(int, counts)), constant
    )


def images(runs: Sequence[Run], context: Context) -> Iterator[InputImage]:
    """Yield the images of the first run, scaled down by taking every n-th pixel, with the outputs for each of them.

    Args:
        runs: runs on the test images, each of a signature with a contract.
        context: the module, whose labels name the classes, and the contracts.
    """
    if not runs or len(runs[0].size) != 2:
        return
    from hubcheck.probe.inputs import make_image

    first = runs[0]
    step = max(1, -(-max(first.size) // _MAX_SIDE))
    for name in dict.fromkeys(first.images):
        values = make_image(name, (*first.size, 3), first.seed)[::step, ::step]
        outputs = (_output(run, name, context) for run in runs if run.device == first.device)
        yield InputImage(name, _png((values * 255).round().astype("uint8")), tuple(filter(None, outputs)))


def _output(run: Run, image: str, context: Context) -> ImageOutput | None:
    """Return what a run returned for one of its images; None if it has no such row, or no finite values."""
    import numpy as np

    output, signature = run.outputs.get("default"), str(run.target.signature)
    if output is None or image not in run.images:
        return None
    values = np.asarray(output.values, np.float64)
    if values.ndim != 2 or len(values) != len(run.images):
        return None
    row = values[run.images.index(image)]
    if not row.size or not np.isfinite(row).all():
        return None
    best: list[tuple[str, float]] = []
    # Of wide outputs, only some columns were sent.
    if context.contracts[signature].is_classification and row.size == output.shape[-1]:
        names = _class_names(context.module, row.size)
        best = [(_name(names, int(i)), float(row[i])) for i in np.argsort(-row, kind="stable")[:_MAX_CLASSES]]
    zeros = float((row == 0).mean())
    return ImageOutput(signature, float(row.min()), float(row.max()), zeros, tuple(best))


def _name(names: Sequence[str], index: int) -> str:
    return printable(names[index], max_length=_MAX_NAME) if names and names[index].strip() else f"class {index}"


def _class_names(module: Module, width: int) -> Sequence[str]:
    """Return the names of the classes from a labels asset; nothing without one that has a line for each class."""
    for asset in label_files(module):
        if module.files_at is not None and asset.lines == width:
            try:
                data = read_file(module.files_at.path(f"assets/{asset.filename}"), max_bytes=MAX_ASSET_BYTES)
                names = text_lines(data.decode("utf-8"))
            except (OSError, ValueError):
                continue
            if len(names) == width:
                return names
    return ()


def _png(pixels: Any) -> bytes:
    """Return a PNG file of uint8 [height, width, 3].

    Source: PNG specification, RFC 2083: signature, IHDR (8-bit RGB), IDAT with unfiltered rows, IEND.
    """
    height, width, _ = pixels.shape
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels), 9)),
        (b"IEND", b""),
    )
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)
