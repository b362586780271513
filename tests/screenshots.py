"""`make screenshots`: images of the HTML report, narrow and wide, light and dark: a good module, a bad one, and 300."""

from __future__ import annotations

import shutil
import subprocess
import sys

from tests.paths import DATA, ROOT
from tests.report.browser import CHROMIUM, chromium, opened

FOLDER = ROOT / "build" / "screenshots"
HUB = FOLDER / "hub"
PAGES = {
    "good": [DATA / "b_good_classification"],
    "bad": [DATA / "c_dropout_on_features_train"],
    "many": ["--static", HUB],
}


def main() -> None:
    """Write build/screenshots/*.png, and the pages."""
    if CHROMIUM is None:
        sys.exit("Chromium is not installed")
    modules = [folder for folder in sorted(DATA.iterdir()) if (folder / "saved_model.pb").is_file()]
    for number in range(300):
        module = modules[number % len(modules)]
        shutil.copytree(module, HUB / f"{number:03}" / module.name, dirs_exist_ok=True)
    for name, arguments in PAGES.items():
        page = FOLDER / f"{name}.html"
        command = [sys.executable, "-m", "hubcheck", "validate", "--no-config", *map(str, arguments), "--output", page]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    with chromium() as browser:
        for name in PAGES:
            for width in (400, 1280):
                for scheme in ("light", "dark"):
                    image = FOLDER / f"{name}-{width}-{scheme}.png"
                    with opened(browser, FOLDER / f"{name}.html", width=width, dark=scheme == "dark") as page:
                        page.screenshot(path=image, full_page=name != "many")
                    print(image)


if __name__ == "__main__":
    main()
