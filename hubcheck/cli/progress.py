"""The progress bar of a long run: how many modules are done, how fast, and how long the rest takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """Modules per second, or per minute if they take longer."""

    def render(self, task: Task) -> Text:
        """Return the rate of the last half minute."""
        if not task.speed:
            return Text("")
        fast = task.speed >= 1
        return Text(f"{task.speed if fast else task.speed * 60:.1f} per {'second' if fast else 'minute'}", style="dim")


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar on the screen. If it is `on_stdout`, other lines must be printed by `print_above`."""

    progress: Progress
    on_stdout: bool

    def advance(self) -> None:
        """Count one more module."""
        self.progress.advance(self.progress.task_ids[0])

    def print_above(self, lines: str) -> None:
        """Print lines above the bar."""
        self.progress.console.print(Text.from_ansi(lines), soft_wrap=True, highlight=False)


@contextmanager
def progress_bar(total: int) -> Iterator[Bar]:
    """Show a bar for `total` modules, on standard output if that is a terminal, else on standard error."""
    on_stdout = sys.stdout.isatty()
    remaining = TimeRemainingColumn(elapsed_when_finished=True)
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), _Rate(), remaining, TextColumn("left"))
    with Progress(*columns, console=Console(stderr=not on_stdout), transient=True) as progress:
        progress.add_task("checking", total=total)
        yield Bar(progress, on_stdout)
