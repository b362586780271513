"""The examples of each rule: publishing scripts that fail it, and the same scripts corrected."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection
from pathlib import Path

from hubcheck.util import resources
from hubcheck.util.record import record

_CONTEXT = 2
_MAX_CHANGED = 0.75
"""A diff of a larger share of the script's lines is no easier to read than the script."""


@record
class Example:
    """A publishing script.

    `title` is the first line of its docstring, `code` the script without this and its constant FINDINGS, `findings` are
    the rules that its module fails; none for a good example.
    """

    file: Path
    title: str
    code: str
    findings: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def good(self) -> bool:
        return self.file.stem.startswith("good")

    def diff_to(self, good: Example) -> list[str] | None:
        """Return the lines of a unified diff to a good example; None if they have too little in common."""
        lines = self.code.splitlines()
        diff = list(difflib.unified_diff(lines, good.code.splitlines(), self.name, good.name, n=_CONTEXT, lineterm=""))
        while diff and not diff[-1].strip():
            diff.pop()
        return diff if len(diff) <= _MAX_CHANGED * len(lines) else None


def examples(rule: str) -> list[Example]:
    """Return the examples of a rule, bad ones first; none for rules that do not ship with hubcheck."""
    folder = resources.folder("fixtures") / rule
    files = sorted(folder.glob("bad*.py")) + sorted(folder.glob("good*.py"))
    return [_read(file) for file in files]


def counterpart(bad: str, goods: Collection[str]) -> str | None:
    """Return the good script to compare a bad one with, by their stems: good_tf1 for bad_tf1_deep, or else good."""
    suffix = bad.removeprefix("bad")
    fitting = [good for good in goods if f"{suffix}_".startswith(f"{good.removeprefix('good')}_")]
    return max(fitting, key=len, default=None)


def _read(file: Path) -> Example:
    code = file.read_text(encoding="utf-8")
    tree = ast.parse(code)
    title = (ast.get_docstring(tree) or file.stem).splitlines()[0]
    findings: tuple[str, ...] = ()
    removed = [tree.body[0]] if ast.get_docstring(tree) else []
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "FINDINGS" for t in node.targets):
            findings = tuple(ast.literal_eval(node.value))
            removed.append(node)
    lines = {line for node in removed for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    kept = [line for number, line in enumerate(code.splitlines(), 1) if number not in lines]
    return Example(file, title, "\n".join(kept).strip() + "\n", findings)
