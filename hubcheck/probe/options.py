"""How modules are run. Imports on every system, without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How a module is run.

    Args:
        timeout: wall-clock seconds that a worker may take for one module on one device.
        memory: bytes that it may use; None: a fair share of what is free.
        larger_batch: size of the largest batch, at least 4.
        seed: seed of the random test images.
    """

    timeout: float = 180.0
    memory: int | None = None
    larger_batch: int = 5
    seed: int = 0

    @property
    def settings(self) -> tuple[str, ...]:
        """The options of `hubcheck replay` that repeat a run with these options, without those that are the default."""
        usual, settings = ProbeOptions(), list[str]()
        for name in ("seed", "larger_batch", "timeout"):
            value = getattr(self, name)
            if value != getattr(usual, name):
                settings += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
        return tuple(settings)
