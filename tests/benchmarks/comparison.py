"""Two revisions, run in turn on the same machine: which figures have changed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.groups import Group
from tests.benchmarks.measure import Figures, Name
from tests.benchmarks.table import lines as table_lines
from tests.benchmarks.table import number

_FIGURES = ("cpu", "wall", "memory", "instructions")
_LEAST_CHANGE = 0.01


class Change(NamedTuple):
    """A figure at the new revision and the old one, as medians, and the ratios run by run."""

    command: str
    figure: str
    new: float
    old: float
    ratios: list[float]

    @property
    def verdict(self) -> str:
        """What the runs show: nearly all of them must agree, and by more than one percent."""
        middle, agreeing = statistics.median(self.ratios), 0.8 * len(self.ratios)
        if middle < 1 - _LEAST_CHANGE and sum(ratio < 1 for ratio in self.ratios) >= agreeing:
            return "less"
        if middle > 1 + _LEAST_CHANGE and sum(ratio > 1 for ratio in self.ratios) >= agreeing:
            return "MORE"
        return "no difference"


def changes(group: Group, seen: Mapping[Name, Figures], new: Path, old: Path) -> Iterator[Change]:
    """Yield every figure of the commands that depend on the source tree."""
    for name, command in group.commands.items():
        if not command.is_ours:
            continue
        after, before = seen[new, name], seen[old, name]
        named = [goal.figure for goal in group.goals if goal.command == name]
        for figure in dict.fromkeys((*_FIGURES, *named)):
            if figure in after and figure in before:
                ratios = [a / b for a, b in zip(after[figure], before[figure], strict=True) if b]
                medians = statistics.median(after[figure]), statistics.median(before[figure])
                if ratios:
                    yield Change(f"{group.title}: {name}", figure, *medians, ratios)


def lines(found: Iterable[Change]) -> list[str]:
    """Return the lines of a table."""
    cells = (
        (
            change.command,
            change.figure,
            number(change.old),
            number(change.new),
            f"×{statistics.median(change.ratios):.3f}",
            f"{min(change.ratios):.2f} to {max(change.ratios):.2f}",
            change.verdict,
        )
        for change in found
    )
    return table_lines(cells, ("what", "figure", "before", "now", "ratio", "ratios of the runs", "change"))
