"""Many modules, and their reports by one process."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.engine.module_report import ModuleReport
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from tests.paths import DATA

STATIC = Options(static=True, jobs=1)
DEADLY = """
import os

def check(context):
    '''Ends its process.'''
    if context.module.path.name == "m001":
        os._exit(9)
    return iter(())
"""
RULE = """
id = "house/deadly"
title = "T"
level = "error"
check = "deadly_rules.deadly:check"
message = "m"
why = "w"
fix = "f"
[source]
section = "s"
requirement = "r"
"""


@pytest.fixture(scope="package")
def hub(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("hub")
    sources = sorted(DATA.glob("?_*"))
    return [Path(shutil.copytree(sources[i % len(sources)], folder / f"m{i:03}")) for i in range(40)]


@pytest.fixture(scope="package")
def alone(hub: list[Path]) -> list[ModuleReport]:
    return comparable(stream(hub, resolve(STATIC)))


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a rule that kills its process on module m001, as a faulty module might."""
    (tmp_path / "deadly_rules").mkdir()
    (tmp_path / "deadly_rules" / "deadly.py").write_text(DEADLY)
    (tmp_path / "rules" / "house").mkdir(parents=True)
    (tmp_path / "rules" / "house" / "deadly.toml").write_text(RULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "rules"


def until(met: Callable[[], object], what: str) -> None:
    """Wait until something is true, a minute at most."""
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def comparable(reports: Iterator[ModuleReport], on_each: Callable[[int], object] = bool) -> list[ModuleReport]:
    """Return reports without what differs from run to run; call `on_each` with the number of reports after each."""
    came = []
    for report in reports:
        came.append(replace(report, elapsed_s=0))
        on_each(len(came))
    return came
