"""The kernels of stock TensorFlow, from `rules/data/kernels.tsv`; `make tables` writes it.

With them, hubcheck knows what a GPU can run without a GPU or TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal, NamedTuple

from hubcheck.util import resources

Device = Literal["CPU", "GPU"]

Values = Callable[[str], tuple[str, ...] | None]
"""Returns the values of an attribute: dtypes by name, others as text; None if they are unknown."""


class Kernel(NamedTuple):
    """One kernel: the allowed values of its op's attributes, and the arguments that it needs or leaves in host memory.

    `device` is CPU, GPU or DEFAULT, which any device without a kernel of its own uses.
    """

    device: str
    host: frozenset[str]
    allowed: Mapping[str, frozenset[str]]

    def takes(self, values: Values) -> bool:
        """Return whether this kernel can run a node with these attributes; unknown attributes are allowed."""
        return all(allowed.issuperset(values(name) or ()) for name, allowed in self.allowed.items())


@cache
def kernels(op: str) -> tuple[Kernel, ...]:
    """Return all kernels of an op."""
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


def kernel_for(op: str, device: Device, values: Values) -> Kernel | None:
    """Return the kernel that TensorFlow chooses for a node on a device: the device's own, else the DEFAULT one."""
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
