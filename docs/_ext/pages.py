"""What the generators of pages share: escaped prose, fenced code, and files that are written only if they change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_CODE = re.compile(r"(`[^`]+`)")
_MARKUP = re.compile(r"([\\*_<>\[\]|{}$~#])")


def prose(text: str) -> str:
    """Return plain text as Markdown without other markup than code between backticks."""
    parts = _CODE.split(text)
    return "".join(part if index % 2 else _MARKUP.sub(r"\\\1", part) for index, part in enumerate(parts))


def fenced(language: str, code: str) -> list[str]:
    """Return the lines of a block of code that may contain fences itself."""
    fence = "```"
    while fence in code:
        fence += "`"
    return [f"{fence}{language}", code.rstrip("\n"), fence, ""]


def folded(summary: str, lines: Iterable[str]) -> list[str]:
    """Return lines that the reader unfolds."""
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "</details>", ""]


def write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    """Write the pages of a generated folder by their paths in it, and remove all others; keep what is unchanged."""
    files = {folder / name: text for name, text in pages.items()}
    for file in folder.rglob("*.md"):
        if file not in files:
            file.unlink()
    for file, text in files.items():
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
