"""`make demo`: authors a module, breaks a copy of it in a way that people do, and validates both."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("demo")


def main() -> None:
    """Write demo/good and demo/broken, and show `hubcheck validate` of each."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    print("Authoring demo/good with examples/publish.py ...", flush=True)
    quiet(ROOT / "examples" / "publish.py", FOLDER / "good")
    print("Authoring demo/broken with fixtures/image-input/batch-size/bad.py ...", flush=True)
    quiet(ROOT / "fixtures" / "image-input" / "batch-size" / "bad.py", FOLDER / "broken")
    for name in ("good", "broken"):
        print(f"\n$ hubcheck validate {FOLDER / name}", flush=True)
        subprocess.run([sys.executable, "-m", "hubcheck", "validate", str(FOLDER / name)], check=False)
    print("Read more of a rule with `.venv/bin/hubcheck explain image-input/batch-size`.")


def quiet(script: Path, target: Path) -> None:
    """Run a publishing script without TensorFlow's greetings; what it has to say of an error is shown."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(script), str(target)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{script} failed:\n{done.stderr}")


if __name__ == "__main__":
    main()
