"""Checks by the documentation's page in Chromium, from the drop of a module to its report."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.groups import Command, Goal, Group
from tests.benchmarks.models import module
from tests.docs.browser_page import opened_page
from tests.paths import DATA, ROOT
from tools.check_page.__main__ import write


def groups() -> Iterator[Group]:
    with tempfile.TemporaryDirectory(prefix="hubcheck-bench-") as folder:
        shutil.copytree(ROOT / "docs" / "extra", folder, dirs_exist_ok=True)
        write(Path(folder))
        command = Command(
            [sys.executable, "-m", "tests.benchmarks.browser", folder, str(module("mobilenet_v2"))], prints_figures=True
        )
        goals = [
            Goal("page", "s to start"),
            Goal("page", "s for a small module", 2),
            Goal("page", "s for mobilenet_v2", 10),
            Goal("page", "s for the sample modules of the tests"),
        ]
        yield Group("browser", {"page": command}, goals, runs=3)


def main(site: str, mobilenet: str) -> None:
    """Print the seconds, each from an event to what the user sees after it."""
    dropped = {
        "a small module": DATA / "a_good_feature_vector",
        "mobilenet_v2": Path(mobilenet),
        "the sample modules of the tests": DATA,
    }
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, opened_page(Path(site), Path(folder) / "log") as browser:
        figures = {"s to start": time.perf_counter() - begin}
        for name, path in dropped.items():
            begin = time.perf_counter()
            browser.drop(path)
            assert browser.status().startswith("Checked in")
            browser.page.frame_locator("#report").locator("h1").first.wait_for()
            figures[f"s for {name}"] = time.perf_counter() - begin
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
