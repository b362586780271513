"""The examples of a page, and what runs them: a page is one session in a folder of its own.

A fenced block is an example. A comment above it says what a reader of the page need not see:

    <!-- file: NAME -->      the block is the file NAME
    <!-- exit: 1 -->         the exit code of the last command of a console block; 0 without it
    <!-- shown: REASON -->   the block is not run; the options of the hubcheck commands in it are still checked
    <!-- given: TO = FROM -->  on its own: copy FROM, relative to the checkout, to TO first; a folder or a file

Console blocks have commands after "$ ", and below each one lines of its output, in order; other lines may be between
them, and the width of spaces does not count. Python blocks are run one after another with the same names.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.command import here, hubcheck
from tests.paths import ROOT

_GENERATED = {"rules", "schemas", "project"}
PAGES = (
    ROOT / "README.md",
    *sorted(f for f in (ROOT / "docs").rglob("*.md") if f.parent.name not in _GENERATED and "rules" not in f.parts),
)
_DIRECTIVE = re.compile(r"<!-- (\w+): (.*?) -->$")
_FOR_THE_SHELL = re.compile(r"[|&;<>$`*?~]")
_FENCE = re.compile(r"(```+)(\S*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """An example: its language, its text, the first line of it in the page, and what the comment above it says."""

    language: str
    text: str
    line: int
    directives: dict[str, str]


def blocks(page: str) -> Iterator[Block]:
    """Yield the examples of a page; one of language "given" for each file that is there before."""
    directives: dict[str, str] = {}
    fence, language, start, body = "", "", 0, list[str]()
    for number, line in enumerate(page.splitlines(), 1):
        if fence:
            if line != fence:
                body.append(line)
                continue
            if not language.startswith("{"):
                yield Block(language, "\n".join(body) + "\n", start, directives)
            fence, directives, body = "", {}, []
        elif found := _FENCE.match(line):
            (fence, language), start = found.groups(), number + 1
        elif found := _DIRECTIVE.match(line):
            name, value = found.groups()
            if name == "given":
                yield Block("given", value, number, {})
            else:
                directives[name] = value


class Session:
    """Runs the examples of a page in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "example"}

    def run(self, block: Block) -> None:
        """Run one; raise AssertionError if its result differs from what the page shows."""
        if "shown" in block.directives:
            return
        if block.language == "given":
            target, source = (part.strip() for part in block.text.split("="))
            self._copy(ROOT / source, self.folder / target)
        elif "file" in block.directives:
            file = self.folder / block.directives["file"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            # AutoGraph reads the source code of functions, so there must be a file.
            file = self.folder / f"example_{block.line}.py"
            file.write_text(block.text, encoding="utf-8")
            exec(compile(block.text, str(file), "exec"), self.names)
        elif block.language == "console":
            self._console(block)
        else:
            raise AssertionError(f"line {block.line}: nothing runs this; say which file it is, or why it is only shown")

    def _copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)

    def _console(self, block: Block) -> None:
        calls = list(commands(block))
        for position, (command, expected) in enumerate(calls, 1):
            done = self._shell(command)
            told = done.stdout + done.stderr
            wanted = int(block.directives.get("exit", 0)) if position == len(calls) else 0
            assert done.returncode == wanted, f"line {block.line}: {command}: exit code {done.returncode}\n{told}"
            output = iter(map(_squeezed, told.splitlines()))
            for line in filter(None, map(_squeezed, expected)):
                assert line in output, f"line {block.line}: {command}: no line {line!r} (here) in\n{told}"

    def _shell(self, command: str) -> subprocess.CompletedProcess[str]:
        words = shlex.split(command.replace("\\\n", " "), comments=True)
        if not _FOR_THE_SHELL.search(command):
            if words[:2] in (["hubcheck", "adapt"], ["hubcheck", "fix"]) or re.match(r"python \S+\.py\b", command):
                return here(words, self.folder, COLUMNS="80")
            if words[0] == "hubcheck":
                return hubcheck(*words[1:], cwd=self.folder, COLUMNS="80")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
        environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
        call = ["bash", "-ec", command]
        return subprocess.run(
            call,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of a console block, each with the lines of output below it."""
    command, output = "", list[str]()
    continued = False
    for line in block.text.splitlines():
        if continued:
            command += "\n" + line
        elif line.startswith("$ "):
            if command:
                yield command, output
            command, output = line[2:], []
        elif line != "...":
            output.append(line)
        continued = (continued or line.startswith("$ ")) and line.endswith("\\")
    if command:
        yield command, output


def _squeezed(line: str) -> str:
    return " ".join(line.split())
