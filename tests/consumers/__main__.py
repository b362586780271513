"""`python -m tests.consumers`: write modules, use them by everything in `USES`, and write results.json.

`make docs` writes the table in the documentation from that.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.paths import ROOT

RESULTS = Path(__file__).with_name("results.json")
CONSUME = Path(__file__).with_name("consume.py")
NEW, OLD = "consumers", "tf215"
USES: tuple[tuple[str, str, str], ...] = (
    ("hub.load", NEW, "tf2"),
    ("hub.KerasLayer, frozen", NEW, "tf2"),
    ("hub.KerasLayer, trainable: fit, save, load", NEW, "tf2"),
    ("hub.load", OLD, "tf2"),
    ("hub.KerasLayer, frozen", OLD, "tf2"),
    ("hub.KerasLayer, trainable: fit, save, load", OLD, "tf2"),
    ("hub.Module", OLD, "tf1-hub"),
    ("hubcheck.hub", NEW, "tf2"),
    ("hubcheck.hub", NEW, "tf1-hub"),
    ("keras.layers.TFSMLayer", NEW, "tf2"),
    ("TFLite", NEW, "tf2"),
    ("tf2onnx, onnxruntime", NEW, "tf2"),
    ("tf.compat.v1.saved_model.load", NEW, "tf2"),
    ("tf.compat.v1.saved_model.load", NEW, "tf1-hub"),
)
"""What is used, in which environment, on which format."""


def main() -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as root:
        modules, result = Path(root, "modules"), Path(root, "result.json")
        subprocess.run([sys.executable, "-m", "tests.consumers.modules", modules], cwd=ROOT, check=True)
        for environment in (NEW, OLD):
            uses = [f"{kind}:{form}" for kind, other, form in USES if other == environment]
            python = ROOT / ".venvs" / environment / "bin" / "python"
            result.unlink(missing_ok=True)
            subprocess.run([python, CONSUME, modules, result, *uses], cwd=ROOT, check=False)
            found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else []
            rows += [{"environment": environment, **row} for row in found]
    written = {"date": datetime.date.today().isoformat(), "rows": rows}
    RESULTS.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
