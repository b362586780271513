"""What a report for people shows beside the findings: signatures, the pictures that were fed, what came of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.engine.details import Exhibits, Histogram, Picture
from hubcheck.engine.findings import Finding
from hubcheck.probe.observations import Observations, Run
from hubcheck.report.details.signatures import declarations

_BINS = 32
_LARGEST_SIDE = 96


def exhibits(context: Context, findings: Sequence[Finding], observations: Observations | None) -> Exhibits:
    """The exhibits of one module.

    Args:
        context: the module and the contracts.
        findings: what was found; findings of a node are marked where it stands.
        observations: what was seen when it ran; without a run there are signatures only.
    """
    declared = declarations(context, findings)
    if observations is None:
        return Exhibits(declared)
    runs = [
        run
        for run in observations.runs
        if run.purpose == "pictures"
        and run.target.signature in context.contracts
        and run.target.variant in ("", "serve")
        if not run.target.session and run.target.trace is None and run.failure is None
    ]
    pictures = tuple(_pictures(runs[0])) if runs else ()
    return Exhibits(declared, tuple(filter(None, map(_histogram, runs))), pictures)


def _histogram(run: Run) -> Histogram | None:
    import numpy as np

    values = run.outputs["default"].values if "default" in run.outputs else None
    if values is None or not np.size(values):
        return None
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return None
    counts, edges = np.histogram(finite, bins=_BINS)
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    dead = float((flat == flat[0]).all(axis=0).mean()) if len(flat) > 1 else 0.0
    return Histogram(
        str(run.target.signature), run.device, float(edges[0]), float(edges[-1]), tuple(map(int, counts)), dead
    )


def _pictures(run: Run) -> Iterator[Picture]:
    """The pictures as they were fed, made smaller by leaving pixels out."""
    if len(run.size) != 2:
        return
    from hubcheck.probe.inputs import paint

    step = max(1, -(-max(run.size) // _LARGEST_SIDE))
    for name in dict.fromkeys(run.pictures):
        values = paint(name, (*run.size, 3), run.seed)[::step, ::step]
        yield Picture(name, _png((values * 255).round().astype("uint8")))


def _png(pixels: Any) -> bytes:
    """Source: PNG specification, RFC 2083: signature, IHDR (8-bit RGB), IDAT with unfiltered rows, IEND."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body
