"""The fixture scripts: what they declare, and the modules that they publish."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.rulebook.examples import counterpart
from hubcheck.util import resources
from hubcheck.util.locks import locked


@dataclass(frozen=True)
class Script:
    """A fixture script, parsed but not run, because importing one imports TensorFlow."""

    path: Path
    docstring: str
    constants: dict[str, Any]

    @property
    def rule(self) -> str:
        return f"{self.path.parent.parent.name}/{self.path.parent.name}"

    @property
    def id(self) -> str:
        return f"{self.rule}/{self.path.stem}"

    @property
    def good(self) -> bool:
        return self.path.stem.startswith("good")

    @property
    def findings(self) -> list[str]:
        return sorted(self.constants.get("FINDINGS", []))

    @property
    def convention(self) -> Convention:
        """The convention that the module is held to."""
        return self.constants.get("CONVENTION", DEFAULT_CONVENTION)

    @property
    def twin(self) -> str:
        """The name of the good script to compare a bad one with."""
        return counterpart(self.path.stem, [good.stem for good in self.path.parent.glob("good*.py")]) or ""


def scripts() -> list[Script]:
    """Return all fixture scripts, sorted by name."""
    return [_read(path) for path in sorted(resources.folder("fixtures").glob("*/*/*.py"))]


def _read(path: Path) -> Script:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                constants[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue  # Not a literal, so not one of the constants that fixtures/README.md lists.
    return Script(path, ast.get_docstring(tree) or "", constants)


def module_path(script: Script, folder: Path) -> Path:
    """Return the path in `folder` to which `published` publishes the module of a script."""
    return folder / script.id / ("module" + script.constants.get("SUFFIX", ""))


def published(script: Script, folder: Path) -> Path:
    """Return the path of the module that a script publishes, built in `folder` unless it exists."""
    path = module_path(script, folder)
    if not path.exists():
        draft = path.parent.with_name(f"{path.parent.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        _run(script, draft / path.name)
        draft.rename(path.parent)
    return path


def published_once(script: Script, folder: Path) -> Path:
    """Do the same in one test process, while others that need this module wait."""
    with exclusive(folder.with_name(f"{folder.name}-locks") / script.id):
        return published(script, folder)


def _run(script: Script, path: Path) -> None:
    name = "fixture_" + script.id.replace("/", "_").replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, script.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # AutoGraph finds a function's source through sys.modules.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        module.publish(str(path))
    finally:
        del sys.modules[name]


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Run the block in one test process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        yield
