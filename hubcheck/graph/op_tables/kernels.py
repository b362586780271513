"""The kernels of stock TensorFlow, from the table `rules/data/kernels.tsv` (written by `make tables`).

So a GPU's verdict needs neither a GPU nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from hubcheck.util import resources

Device = Literal["CPU", "GPU"]

Values = Callable[[str], tuple[str, ...] | None]
"""An attribute's values by its name: dtypes by name, others as text; None where they are not known."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel: what its op's attributes may be, and which arguments it wants or leaves in host memory.

    `device` is CPU, GPU or DEFAULT, which stands in where a device has none of its own.
    """

    device: str
    host: frozenset[str]
    allowed: Mapping[str, frozenset[str]]

    def takes(self, values: Values) -> bool:
        """Whether this kernel serves a node with these attributes; an unknown attribute is no reason why not."""
        return all(allowed.issuperset(values(name) or ()) for name, allowed in self.allowed.items())


@cache
def kernels(op: str) -> tuple[Kernel, ...]:
    """All kernels of an op."""
    return tuple(
        Kernel(
            device=device,
            host=frozenset(host.split()),
            allowed={
                name: frozenset(values.split(","))
                for name, _, values in (item.partition("=") for item in allowed.split())
            },
        )
        for device, host, allowed in (row.split("\t") for row in _rows().get(op, ()))
    )


def find(op: str, device: Device, values: Values) -> Kernel | None:
    """The kernel that TensorFlow would take for a node on a device: its own, else the DEFAULT one."""
    for wanted in (device, "DEFAULT"):
        for kernel in kernels(op):
            if kernel.device == wanted and kernel.takes(values):
                return kernel
    return None


@cache
def _rows() -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    text = (resources.folder("rules") / "data" / "kernels.tsv").read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        op, row = line.split("\t", 1)
        rows.setdefault(op, []).append(row)
    return rows
