"""The progress bar of a long run: how many modules are done, how fast, and how long the rest takes."""

from __future__ import annotations

import sys

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


class Bar(Progress):
    """A bar for `total` modules, shown while its context lasts: on standard output if that is a terminal, else on
    standard error, in colour if it is `coloured`. If it is `on_stdout`, other lines must be printed by `print_above`.
    """

    def __init__(self, total: int, *, coloured: bool) -> None:
        self.on_stdout = sys.stdout.isatty()
        remaining = TimeRemainingColumn(elapsed_when_finished=True)
        columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), _Rate(), remaining, TextColumn("left"))
        console = Console(stderr=not self.on_stdout, no_color=not coloured)
        super().__init__(*columns, console=console, transient=True)
        self._modules = self.add_task("checking", total=total)

    def count_module(self) -> None:
        """Count one more module."""
        self.advance(self._modules)

    def print_above(self, lines: str) -> None:
        """Print lines above the bar."""
        self.console.print(Text.from_ansi(lines), soft_wrap=True, highlight=False)
