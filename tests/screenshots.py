"""`make screenshots`: the HTML report of a few sample modules as pictures, in light, in dark and on a phone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.paths import DATA, ROOT
from tests.report.browser import CHROMIUM, page

FOLDER = ROOT / "build" / "screenshots"


def main() -> None:
    """Write build/screenshots/*.png."""
    if CHROMIUM is None:
        sys.exit("Chromium is not installed")
    FOLDER.mkdir(parents=True, exist_ok=True)
    report = FOLDER / "report.html"
    modules = ("b_good_classification", "c_dropout_on_features_train", "e_fixed_batch_1")
    command = [sys.executable, "-m", "hubcheck", "validate", *modules, "--output", str(report)]
    subprocess.run(command, cwd=DATA, check=False, stdout=subprocess.DEVNULL)
    for name, width, dark in (("light", 1000, False), ("dark", 1000, True), ("phone", 380, False)):
        with tempfile.TemporaryDirectory() as profile, page(report, Path(profile), width=width, dark=dark) as shown:
            shown.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
            shown.screenshot(FOLDER / f"{name}.png")
            print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
