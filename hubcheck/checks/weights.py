"""The weights in the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.util.text import plural


def duplicates(context: Context, *, least_elements: int) -> Iterator[CheckItem]:
    """No two entries with at least `least_elements` elements have the same bytes."""
    checkpoint = context.module.checkpoint
    if checkpoint is None:
        yield Skip("the module has no checkpoint")
        return
    yield Checked()
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, entry in checkpoint.entries.items():
        if not entry.slices and entry.elements >= least_elements:
            groups.setdefault((entry.dtype, entry.shape, entry.size, entry.crc32c), []).append(name)
    copies = [names for names in groups.values() if len(names) > 1]
    if copies:
        spare = sum((len(names) - 1) * checkpoint.entries[names[0]].size for names in copies)
        shown = "; ".join(" = ".join(names) for names in copies[:2]) + ("; ..." if len(copies) > 2 else "")
        yield Fault(
            Where(), shown, "each weight once", {"count": plural(len(copies), "weight"), "spare": f"{spare:,} bytes"}
        )
