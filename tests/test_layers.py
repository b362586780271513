"""Imports go one way, and a static check never imports TensorFlow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import DATA, ROOT

PACKAGE = ROOT / "hubcheck"
GOOD = DATA / "a_good_feature_vector"

ON_TOP = {"report", "author", "cli", "commands", "run", "plan", "checker", "fleet"}
MAY_NOT_IMPORT = {
    "module": {"remote", "places", "graph", "checks", "rules", "contract", "engine", "probe", *ON_TOP},
    "remote": {"places", "graph", "checks", "rules", "contract", "engine", "probe", *ON_TOP},
    "graph": {"remote", "places", "checks", "rules", "contract", "engine", "probe", *ON_TOP},
    "checks": {"remote", "places", "engine", "rules", "probe", *ON_TOP},
    "engine": {"remote", "places", "probe", "module.reader", *ON_TOP},
    "report": {"remote", "places", "probe", "engine", *ON_TOP - {"report"}},
    "probe": {"remote", "places", "engine", "rules", "checks", *ON_TOP},
}
"""For each part, the parts that it knows nothing of."""

TENSORFLOW_ALLOWED = ("probe/", "author/", "hub", "remote/clients/")
HEAVY = {"tensorflow", "numpy", "jsonschema", "importlib.metadata", "rich.progress", "keras", "fsspec", "aiohttp"}


def imports(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def files_of(part: str) -> list[Path]:
    single = PACKAGE / f"{part}.py"
    return [single] if single.exists() else sorted((PACKAGE / part).rglob("*.py"))


@pytest.mark.parametrize("part", MAY_NOT_IMPORT)
def test_a_part_knows_nothing_of_what_stands_above_it(part):
    for file in files_of(part):
        for name in imports(file):
            for above in MAY_NOT_IMPORT[part]:
                forbidden = f"hubcheck.{above}"
                assert name != forbidden and not name.startswith(forbidden + "."), f"{file.name} imports {name}"


def test_only_workers_writers_and_the_consumers_side_import_tensorflow():
    for file in sorted(PACKAGE.rglob("*.py")):
        place = str(file.relative_to(PACKAGE))
        if not place.startswith(TENSORFLOW_ALLOWED):
            assert not any(name.split(".")[0] in ("tensorflow", "keras", "tf_keras") for name in imports(file)), place


def imported_by(code: str) -> set[str]:
    tell = "import sys; print('\\n'.join(m for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{tell}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def validate(*options: str) -> str:
    return f"""
import sys
sys.argv = ["hubcheck", "validate", {str(GOOD)!r}, *{list(options)!r}]
from hubcheck.cli import main
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


def test_this_test_can_tell():
    found = imported_by("import numpy, jsonschema, importlib.metadata, tensorflow, rich.progress, fsspec, aiohttp")
    assert HEAVY - {"keras"} <= found


def test_importing_hubcheck_imports_next_to_nothing():
    assert not {"google.protobuf", "click", "rich"} & imported_by("import hubcheck")
