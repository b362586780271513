"""The picture of the README: what `hubcheck validate` prints, as an SVG made from its real output."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.text import Text

from tests.paths import DATA, ROOT

PICTURE = ROOT / "docs" / "images" / "validate.svg"
COMMAND = "hubcheck validate --static exports/"
MODULES = {"flowers": "b_good_classification", "old_flowers": "e_fixed_batch_1"}
WIDTH = 84
# Rich's own format fetches its font from a server.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
_TIME = re.compile(r"\d+\.\d+&#160;s")
_LENGTH = re.compile(r' textLength="[^"]*"')


def picture() -> str:
    """Return the SVG; times in it differ from run to run."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text(f"$ {COMMAND}"))
    console.print(Text.from_ansi(printed()))
    return console.export_svg(title="hubcheck", code_format=_FORMAT, unique_id="validate")


def printed() -> str:
    """Return what the command prints to a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        for name, source in MODULES.items():
            shutil.copytree(DATA / source, Path(folder) / "exports" / name)
        words = [*COMMAND.split()[1:], "--no-cache", "--color", "always"]
        environment = {**os.environ, "COLUMNS": str(WIDTH)}
        command = [sys.executable, "-m", "hubcheck", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout


def without_times(svg: str) -> str:
    """Return a picture with the same time everywhere, whatever its length, to compare it."""
    return _LENGTH.sub("", _TIME.sub("0.05&#160;s", svg))


def write() -> None:
    """Write the picture, if more than its times has changed."""
    new = picture()
    if not PICTURE.is_file() or without_times(PICTURE.read_text(encoding="utf-8")) != without_times(new):
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.write_text(new, encoding="utf-8")
