"""Records of what the HTML report shows beside the findings; `hubcheck.report.details` makes them."""

from __future__ import annotations

from dataclasses import field

from hubcheck.util.record import record


@record
class DiagramStep:
    """One step on the data path from the images to the outputs: a node, or a name scope around the steps below it.

    `depth` is the number of scopes around it, `shape` that of its result, "" if not known; `notes` are the findings on
    it, `outputs` the keys of the signature's outputs that it computes, `sources` the indices of the steps whose results
    it takes. The steps below one that `is_scope` are its content.
    """

    depth: int
    name: str
    ops: str
    shape: str
    notes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    sources: tuple[int, ...] = ()
    is_scope: bool = False


@record
class SignatureDetails:
    """One signature of a variant, or one trace of its callable.

    `inputs` and `outputs` are pairs of key and tensor, as text; `steps` is the data path through the graph.
    """

    variant: str
    signature: str | None
    trace: str | None
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    steps: tuple[DiagramStep, ...] = ()

    @property
    def label(self) -> str:
        """The signature's key, or `__call__` with the name of the trace."""
        return self.signature or f"__call__ ({self.trace})"


@record
class Histogram:
    """Counts of output values in equal bins; `constant_share` is the share of entries that are equal for all images."""

    signature: str
    device: str
    low: float
    high: float
    counts: tuple[int, ...]
    constant_share: float


@record
class ImageOutput:
    """What a signature returned for one image: the range of the values, and the share of those that are 0.

    `classes` are the names of the classes with the highest values, with these values, best first.
    """

    signature: str
    low: float
    high: float
    zero_share: float
    classes: tuple[tuple[str, float], ...] = ()


@record
class InputImage:
    """An image that the module was run on, as a PNG file, with what each signature returned for it."""

    name: str
    png: bytes = field(repr=False)
    outputs: tuple[ImageOutput, ...] = ()


@record
class ModuleDetails:
    """What the HTML report shows of a module beside the findings."""

    signatures: tuple[SignatureDetails, ...] = ()
    histograms: tuple[Histogram, ...] = ()
    images: tuple[InputImage, ...] = ()
