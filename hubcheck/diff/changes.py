"""The result of a comparison of two versions."""

from __future__ import annotations

from typing import Literal

from hubcheck.util.record import record

Kind = Literal["breaking", "additive", "note"]
DiffVerdict = Literal["compatible", "additive", "breaking"]
KINDS: tuple[Kind, ...] = ("breaking", "additive", "note")


@record
class Change:
    """One change, and what it means for consumers of the old version."""

    kind: Kind
    where: str
    message: str
    old: str = ""
    new: str = ""


@record
class Agreement:
    """How far the values of both versions agree, for the same images.

    Args:
        signature: the signature that was run.
        output: the output; None if no output was compared.
        difference: the largest difference, relative to the largest value; None if the values cannot be compared.
        correlation: the correlation of how the values change from image to image, which is 1 if the new version
            distinguishes images as the old one does, on whatever scale; None if the values do not change.
        reason: why the values cannot be compared.
        fails: whether the new version fails to run where the old one does not.
    """

    signature: str
    output: str | None = None
    difference: float | None = None
    correlation: float | None = None
    reason: str | None = None
    fails: bool = False


@record
class Diff:
    """The comparison of two versions. `incomplete` is the reason if values should have been compared but were not."""

    old: str
    new: str
    changes: tuple[Change, ...]
    agreements: tuple[Agreement, ...] = ()
    incomplete: str | None = None

    @property
    def verdict(self) -> DiffVerdict:
        kinds = {change.kind for change in self.changes}
        if "breaking" in kinds or any(agreement.fails for agreement in self.agreements):
            return "breaking"
        return "additive" if "additive" in kinds else "compatible"
