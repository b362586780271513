"""The examples of each rule: publishing scripts that break it, and the same script mended."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hubcheck.util import resources

_CONTEXT = 2
_MOST_CHANGED = 0.75
"""A diff of more than this part of the script's lines is no easier to read than the script."""


@dataclass(frozen=True, slots=True)
class Example:
    """One script: its `title`, and the rest of its `code`. `findings` are the rules that its module breaks; a good
    example breaks none."""

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

    def mended(self, good: Example) -> list[str] | None:
        """The lines of a unified diff from this one to a good one; None if they have too little in common."""
        mine, its = self.code.splitlines(), good.code.splitlines()
        diff = list(difflib.unified_diff(mine, its, self.name, good.name, n=_CONTEXT, lineterm=""))
        while diff and not diff[-1].strip():
            diff.pop()
        return diff if len(diff) <= _MOST_CHANGED * len(mine) else None


def examples(rule: str) -> list[Example]:
    """The examples of a rule, bad ones first; none for rules that do not ship with hubcheck."""
    folder = resources.folder("fixtures") / rule
    files = sorted(folder.glob("bad*.py")) + sorted(folder.glob("good*.py"))
    return [_read(file) for file in files]


def twin(bad: str, goods: Collection[str]) -> str | None:
    """The good script that a bad one is to be compared with, by their stems: bad_tf1_deep with good_tf1, else good."""
    form = bad.removeprefix("bad")
    fitting = [good for good in goods if f"{form}_".startswith(f"{good.removeprefix('good')}_")]
    return max(fitting, key=len, default=None)


def _read(file: Path) -> Example:
    code = file.read_text(encoding="utf-8")
    tree = ast.parse(code)
    title = (ast.get_docstring(tree) or file.stem).splitlines()[0]
    findings: tuple[str, ...] = ()
    told = [tree.body[0]] if ast.get_docstring(tree) else []
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "FINDINGS" for t in node.targets):
            findings = tuple(ast.literal_eval(node.value))
            told.append(node)
    gone = {line for node in told for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    kept = [line for number, line in enumerate(code.splitlines(), 1) if number not in gone]
    return Example(file, title, "\n".join(kept).strip() + "\n", findings)
