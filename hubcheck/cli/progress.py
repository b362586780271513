"""The bar of a long run: how many modules are done, how fast, and how long it takes still."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """Modules a second, or a minute where a second is too short."""

    def render(self, task: Task) -> Text:
        """The rate of the last half a minute."""
        if not task.speed:
            return Text("")
        fast = task.speed >= 1
        return Text(f"{task.speed if fast else task.speed * 60:.1f} a {'second' if fast else 'minute'}", style="dim")


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that is shown. `above` tells that lines have to be printed above it by `show`."""

    progress: Progress
    above: bool

    def advance(self) -> None:
        """One module more is done."""
        self.progress.advance(self.progress.task_ids[0])

    def show(self, lines: str) -> None:
        """Print lines above the bar; printed in any other way they would stand across it."""
        self.progress.console.print(Text.from_ansi(lines), soft_wrap=True, highlight=False)


@contextmanager
def bar(total: int) -> Iterator[Bar]:
    """A bar for so many modules, gone when this is left: on standard output if that is a terminal, else on the
    standard error."""
    above = sys.stdout.isatty()
    remaining = TimeRemainingColumn(elapsed_when_finished=True)
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), _Rate(), remaining, TextColumn("left"))
    with Progress(*columns, console=Console(stderr=not above), transient=True) as progress:
        progress.add_task("checking", total=total)
        yield Bar(progress, above)
