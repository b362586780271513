"""What is measured: groups of commands that are run in turn, and the goals for their figures.

A part of the benchmarks is a file with a function `groups()`, which yields a `Group` for each set of commands.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
HUBCHECK = str(BIN / "hubcheck")


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is measured as a whole process, its children included.

    Its figures are `wall` and `cpu` seconds and `memory`, the peak megabytes of its largest process, and `instructions`
    in millions where valgrind counts them.

    Attributes:
        arguments: the program and its arguments. `hubcheck` is imported from the source tree that is measured.
        codes: the exit codes that count as success.
        is_ours: whether it depends on the source tree; a comparison of two trees runs it with each.
        prints_figures: the last line of its output is a JSON object of further figures.
        counts: count its instructions, too, in one more run; far slower than the command.
        environment: variables, besides those of this process.
    """

    arguments: Sequence[str]
    codes: frozenset[int] = frozenset({0})
    is_ours: bool = True
    prints_figures: bool = False
    counts: bool = False
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of the table: a figure of a command, and what it should be.

    Attributes:
        command: the name of the command in its group.
        figure: the name of the figure.
        limit: the largest value that meets the goal; None if there is no goal.
        times: the name of another command: the goal is for the ratio to the same figure of that one, run by run.
        at_least: the goal is the smallest value instead.
        factor: the input is so many times that of the other command: the goal is for the exponent of growth.
    """

    command: str
    figure: str
    limit: float | None = None
    times: str | None = None
    at_least: bool = False
    factor: float | None = None

    def is_met(self, value: float) -> bool | None:
        """Return whether a value, or a ratio, meets the goal; None if there is none."""
        if self.limit is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Group:
    """Commands by name that are run in turn, so that a machine whose speed drifts favours none of them.

    `warm_up`: run each once before, which does not count; not worth it for what takes minutes.
    """

    title: str
    commands: Mapping[str, Command]
    goals: Sequence[Goal]
    runs: int = 5
    warm_up: bool = True


def static(*options: str) -> Command:
    """Return the command that checks modules from their files, without a cache."""
    return Command([HUBCHECK, "validate", "--static", "--no-cache", *options], frozenset({0, 1, 3}), counts=True)


PYTHON = Command([sys.executable, "-c", "pass"], is_ours=False, counts=True)
"""The start of the interpreter, which every command pays."""
