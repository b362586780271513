"""`hubcheck fix` without options on modules that fail: what is marked as fixable is fixed, and the rest is told."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubcheck
from hubcheck import author
from hubcheck.rulebook.convention import DEFAULT_CONVENTION
from tests.paths import DATA
from tests.publishing import published_once, scripts

pytestmark = pytest.mark.slow

SCRIPTS = {script.id: script for script in scripts() if not script.good and script.convention == DEFAULT_CONVENTION}
CASES = {f"cases/{path.name}": path for path in sorted((DATA / "cases").iterdir()) if path.is_dir()}

ONLY_RUNS_SHOW = {
    "cases/batch_of_one_only",
    "cases/refuses_black",
    "cases/refuses_black_batches",
    "module/loads/bad_keras",
}
"""Modules that fail on the images of the proof or that this TensorFlow cannot load, which no file tells."""


def fixed(module: Path, folder: Path) -> Iterator[str]:
    """Fix a module, and yield what is wrong with what came of it; print a row of a table."""
    (before,) = hubcheck.validate(module, static=True).modules
    marked = {finding.rule for finding in before.findings if finding.fix_command}
    others = {finding.rule for finding in before.findings} - marked
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", author.AuthorWarning)
        result = author.fix(module, folder / "fixed")
    after = {finding.rule for finding in result.remaining}
    print(
        "|", ", ".join(sorted(marked)) or "-", "|", ", ".join(sorted(after)) or "-", "|", result.reason.split("\n")[0]
    )
    if result.path is None:
        if (folder / "fixed").exists() or list(folder.iterdir()):
            yield "something was left behind"
        if not result.reason and before.findings:
            yield "no reason is given"
        if marked:
            yield f"{marked} are marked, but not fixed: {result.reason}"
        return
    if still := marked & after:
        yield f"{still} were to be fixed"
    (report,) = hubcheck.validate(result.path, static=True).modules
    if new := {finding.rule for finding in report.failures} - others:
        yield f"{new} are new"


@pytest.mark.parametrize("name", [*SCRIPTS, *CASES])
def test_what_is_marked_is_fixed_and_the_rest_is_told(name: str, common_tmp: Path, tmp_path: Path) -> None:
    folder = common_tmp / "fixtures"
    module = CASES[name] if name in CASES else published_once(SCRIPTS[name], folder)
    if not (module.is_dir() or module.is_file()):
        pytest.skip("the fixture is no module in a file or folder")
    (tmp_path / "m").mkdir()
    print(f"| {name} ", end="")
    wrong = list(fixed(module, tmp_path / "m"))
    assert wrong == [] or (name in ONLY_RUNS_SHOW and "the module does not run" in wrong[0])
    shutil.rmtree(tmp_path / "m")
