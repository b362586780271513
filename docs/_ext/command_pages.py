"""Show the examples in the help of commands, the lines that click keeps as they are, as code."""

from __future__ import annotations

from typing import Any

_KEPT = "| "


def process_description(app: Any, ctx: Any, lines: list[str]) -> None:
    """Turn each line block of a description into a block of code."""
    shown: list[str] = []
    inside = False
    for line in lines:
        if line.startswith(_KEPT) and not inside:
            shown += [".. code-block:: console", ""]
        inside = line.startswith(_KEPT)
        if inside:
            text = line.removeprefix(_KEPT)
            shown.append("   $ " + text if text.startswith("hubcheck") else "   " + text)
        else:
            shown.append(line)
    lines[:] = shown


def setup(app: Any) -> dict[str, bool]:
    app.connect("sphinx-click-process-description", process_description)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
