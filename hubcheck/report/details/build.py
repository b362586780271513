"""Details of one module for the HTML report: signatures, the images it was run on, histograms of its outputs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.engine.details import Histogram, InputImage, ModuleDetails
from hubcheck.engine.findings import Finding
from hubcheck.probe.observations import Observations, Run
from hubcheck.report.details.signatures import signature_details

_BINS = 32
_MAX_SIDE = 96
"""Height and width of an image in the report, in pixels."""


def module_details(context: Context, findings: Sequence[Finding], observations: Observations | None) -> ModuleDetails:
    """Return the details of one module.

    Args:
        context: the module and the signature contracts.
        findings: the module's findings; those that name a node are shown at that node.
        observations: what the probe observed; without them the details have signatures only.
    """
    signatures = signature_details(context, findings)
    if observations is None:
        return ModuleDetails(signatures)
    runs = [
        run
        for run in observations.runs
        if run.purpose == "pictures"
        and run.target.signature in context.contracts
        and run.target.variant in ("", "serve")
        and not run.target.session
        and run.target.trace is None
        and run.failure is None
    ]
    images = tuple(_images(runs[0])) if runs else ()
    return ModuleDetails(signatures, tuple(filter(None, map(_histogram, runs))), images)


def _histogram(run: Run) -> Histogram | None:
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


def _images(run: Run) -> Iterator[InputImage]:
    """Yield the images of a run, scaled down by taking every n-th pixel."""
    if len(run.size) != 2:
        return
    from hubcheck.probe.inputs import make_image

    step = max(1, -(-max(run.size) // _MAX_SIDE))
    for name in dict.fromkeys(run.images):
        values = make_image(name, (*run.size, 3), run.seed)[::step, ::step]
        yield InputImage(name, _png((values * 255).round().astype("uint8")))


def _png(pixels: Any) -> bytes:
    """Return a PNG file of uint8 [height, width, 3].

    Source: PNG specification, RFC 2083: signature, IHDR (8-bit RGB), IDAT with unfiltered rows, IEND.
    """
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
