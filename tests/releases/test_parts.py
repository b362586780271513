"""`make test-matrix` runs all tests that use TensorFlow, and its oldest releases are the ones that we support."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.releases import ELSEWHERE, PARTS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OLDEST = dict(
    line.split("==")
    for line in (ROOT / "tests" / "releases" / "oldest.txt").read_text(encoding="utf-8").split()
    if "==" in line
)


def uses_tensorflow(file: Path) -> bool:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if {"tensorflow", "keras", "tf_keras"} & {name.partition(".")[0] for name in names}:
            return True
    return False


@pytest.mark.parametrize("path", [*PARTS, *ELSEWHERE])
def test_every_part_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_file_that_uses_tensorflow_is_in_a_part_or_excluded_with_a_reason() -> None:
    paths = ("tests/releases", *PARTS, *ELSEWHERE)
    files = [file.relative_to(ROOT) for file in (ROOT / "tests").rglob("*.py") if uses_tensorflow(file)]
    assert [file for file in files if not any(file.is_relative_to(path) for path in paths)] == []


def test_the_oldest_releases_are_the_minimum_versions_of_the_project() -> None:
    optional = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *optional["tensorflow"], "tf_keras>=2.16"]
    for requirement in wanted:
        name, least = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()  # type: ignore[union-attr]
        numbers = OLDEST[name].split(".")
        assert numbers[: least.count(".") + 1] == least.split("."), f"{requirement}, but {OLDEST[name]} is tested"
