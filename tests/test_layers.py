"""Imports go one way, and a static check never imports TensorFlow."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.layers import ORDER
from tests.paths import DATA, ROOT

PACKAGE = ROOT / "hubcheck"
GOOD = DATA / "a_good_feature_vector"
MAX_LINES = 280

TENSORFLOW_ALLOWED = ("probe/", "author/", "hub", "remote/clients/")
HEAVY = {
    *("tensorflow", "keras", "numpy", "jsonschema", "importlib.metadata", "jinja2"),
    *("rich.progress", "fsspec", "aiohttp"),
}


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}


@cache
def imported_names(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it, for types too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {node.module} if not below <= FILES.keys() else set()
            names |= below & FILES.keys()
    return names


def package(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_every_package_has_a_place_in_the_order():
    assert sorted({package(name) for name in FILES} - {"", "__main__", "_version"}) == sorted(ORDER)


def test_hubcheck_has_no_loose_files():
    assert {file.name for file in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py", "_version.py"}


def test_no_file_has_grown_past_one_idea():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_a_package_imports_only_what_stands_below_it():
    wrong = [
        f"{name} imports {other}"
        for name, file in FILES.items()
        for other in sorted(imported_names(file) & FILES.keys())
        if package(name) in ORDER
        and package(other) not in (package(name), "_version")
        and (package(other) not in ORDER or ORDER.index(package(other)) < ORDER.index(package(name)))
    ]
    assert not wrong


def test_no_files_import_each_other_in_a_circle():
    imports = {name: imported_names(file) & FILES.keys() for name, file in FILES.items() if package(name) in ORDER}
    graph = {name: others & imports.keys() - {name} for name, others in imports.items()}
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_only_workers_writers_and_the_consumers_side_import_tensorflow():
    for file in sorted(PACKAGE.rglob("*.py")):
        place = str(file.relative_to(PACKAGE))
        if not place.startswith(TENSORFLOW_ALLOWED):
            assert not any(
                name.split(".")[0] in ("tensorflow", "keras", "tf_keras") for name in imported_names(file)
            ), place


def imported_by(code: str) -> set[str]:
    tell = "import sys; print('\\n'.join(m for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{tell}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def validate(*options: str) -> str:
    return f"""
import sys
sys.argv = ["hubcheck", "validate", {str(GOOD)!r}, *{list(options)!r}]
from hubcheck.cli.main import main
try:
    main()
except SystemExit as done:
    assert done.code == 0, done.code
"""


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_static_check_imports_nothing_heavy(style):
    found = imported_by(validate("--static", "--format", style))
    assert "hubcheck.run.validate" in found
    assert not HEAVY & found


@pytest.mark.parametrize(
    "names", [HEAVY - {"keras", "tensorflow"}, pytest.param({"tensorflow"}, marks=pytest.mark.slow)], ids=len
)
def test_this_test_can_tell(names):
    assert names <= imported_by(f"import {', '.join(sorted(names))}")


def test_importing_hubcheck_imports_next_to_nothing():
    assert not {"google.protobuf", "click", "rich"} & imported_by("import hubcheck")
