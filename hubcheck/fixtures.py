"""The examples of each rule: publishing scripts that break it, and the same script mended."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from hubcheck import resources


@dataclass(frozen=True, slots=True)
class Example:
    """One script. `findings` are the rules that its module breaks; a good example breaks none."""

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


def examples(rule: str) -> list[Example]:
    """The examples of a rule, bad ones first; none for rules that do not ship with hubcheck."""
    folder = resources.folder("fixtures") / rule
    files = sorted(folder.glob("bad*.py")) + sorted(folder.glob("good*.py"))
    return [_read(file) for file in files]


def _read(file: Path) -> Example:
    code = file.read_text(encoding="utf-8")
    tree = ast.parse(code)
    title = (ast.get_docstring(tree) or file.stem).splitlines()[0]
    findings: tuple[str, ...] = ()
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "FINDINGS" for t in node.targets):
            findings = tuple(ast.literal_eval(node.value))
    return Example(file, title, code, findings)
