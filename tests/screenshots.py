"""`make screenshots`: images of the HTML report of a few sample modules, on a desktop and a phone, light and dark."""

from __future__ import annotations

import subprocess
import sys

from tests.paths import DATA, ROOT
from tests.report.browser import CHROMIUM, chromium, opened

FOLDER = ROOT / "build" / "screenshots"
MODULES = ("b_good_classification", "c_dropout_on_features_train", "e_fixed_batch_1")


def main() -> None:
    """Write build/screenshots/*.png."""
    if CHROMIUM is None:
        sys.exit("Chromium is not installed")
    FOLDER.mkdir(parents=True, exist_ok=True)
    report = FOLDER / "report.html"
    command = [sys.executable, "-m", "hubcheck", "validate", *MODULES, "--output", str(report)]
    subprocess.run(command, cwd=DATA, check=False, stdout=subprocess.DEVNULL)
    with chromium() as browser:
        for device, width in (("desktop", 1280), ("phone", 400)):
            for scheme in ("light", "dark"):
                with opened(browser, report, width=width, dark=scheme == "dark") as page:
                    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
                    page.screenshot(path=FOLDER / f"{device}-{scheme}.png", full_page=True)
                print(FOLDER / f"{device}-{scheme}.png")


if __name__ == "__main__":
    main()
