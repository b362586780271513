"""What became of the patterns of a configuration: which of them had something to set aside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Use = Literal["idle", "open", "used"]
"""Every rule held that the pattern names, some could not be decided, or it was needed: the last of them counts."""

_ORDER: tuple[Use, ...] = ("idle", "open", "used")

Pattern = tuple[str, int, str]
"""The kind of an entry, its number, and one of its patterns of rules."""


class Uses:
    """The uses that one process saw, to which those of others can be added."""

    def __init__(self) -> None:
        self._seen: dict[Pattern, Use] = {}

    def note(self, pattern: Pattern, use: Use) -> None:
        """Note what one module made of a pattern."""
        self._seen[pattern] = max(self._seen.get(pattern, "idle"), use, key=_ORDER.index)

    def is_idle(self, pattern: Pattern) -> bool:
        """Whether modules were seen for which the pattern counts, and none of them needed it."""
        return self._seen.get(pattern) == "idle"

    def rows(self) -> list[tuple[Pattern, Use]]:
        """The same as plain data, for another process."""
        return list(self._seen.items())

    def add(self, rows: Iterable[tuple[Pattern, Use]]) -> None:
        """Add what another process saw; `rows` are its own."""
        for (kind, number, pattern), use in rows:
            self.note((kind, number, pattern), use)
