"""Which entries of a configuration are still needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Use = Literal["unused", "undecided", "used"]
"""All rules of the pattern passed, some could not be decided, or there was a finding to suppress."""

_ORDER: tuple[Use, ...] = ("unused", "undecided", "used")

Pattern = tuple[str, int, str]
"""The kind of an entry, its number, and one of its patterns of rules."""


class EntryUsage:
    """How the patterns of a configuration were used, by the modules of this process and of others."""

    def __init__(self) -> None:
        self._uses: dict[Pattern, Use] = {}

    def note(self, pattern: Pattern, use: Use) -> None:
        """Note how one module used a pattern; of several modules the last use in `Use` counts."""
        self._uses[pattern] = max(self._uses.get(pattern, "unused"), use, key=_ORDER.index)

    def is_unused(self, pattern: Pattern) -> bool:
        """Whether the pattern covers a module that was checked, and none of them needed it."""
        return self._uses.get(pattern) == "unused"

    def rows(self) -> list[tuple[Pattern, Use]]:
        """Return the uses as plain data, for `add` in another process."""
        return list(self._uses.items())

    def add(self, rows: Iterable[tuple[Pattern, Use]]) -> None:
        """Add the rows of another process."""
        for (kind, number, pattern), use in rows:
            self.note((kind, number, pattern), use)
