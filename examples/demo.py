"""`make demo`: publish a conforming module and one with a common fault, and validate both."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("demo")


def main() -> None:
    """Publish demo/good and demo/bad, and run `hubcheck validate` on each."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    print("Publishing demo/good with examples/publish.py ...", flush=True)
    run(ROOT / "examples" / "publish.py", FOLDER / "good")
    print("Publishing demo/bad with fixtures/image-input/batch-size/bad.py ...", flush=True)
    run(ROOT / "fixtures" / "image-input" / "batch-size" / "bad.py", FOLDER / "bad")
    for name in ("good", "bad"):
        print(f"\n$ .venv/bin/hubcheck validate {FOLDER / name}", flush=True)
        subprocess.run([sys.executable, "-m", "hubcheck", "validate", str(FOLDER / name)], check=False)
    print("\nhubcheck is installed in .venv here, so the commands that it names start with .venv/bin/:")
    print("$ .venv/bin/hubcheck fix demo/bad")
    print("$ .venv/bin/hubcheck explain image-input/batch-size")


def run(script: Path, target: Path) -> None:
    """Run a publishing script without TensorFlow's log messages; exit with its output if it fails."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(script), str(target)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{script} failed:\n{done.stderr}")


if __name__ == "__main__":
    main()
