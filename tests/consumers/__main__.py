"""`python -m tests.consumers [TEXT]...`: use modules by all of `USES`, or by those with a text in their names.

Each use is a process of its own, in the environment that it needs, which is created if it is not there. Each result
is written to results.json as it comes; `make docs` writes the table in the documentation from that.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.environments import run_json
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
    texts = [text.lower() for text in sys.argv[1:]]
    uses = [use for use in USES if not texts or any(text in use[0].lower() for text in texts)]
    if not uses:
        known = ", ".join(dict.fromkeys(use[0] for use in USES))
        sys.exit(f"No consumer has {' or '.join(sys.argv[1:])} in its name. Consumers: {known}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "tests.consumers.modules", folder], cwd=ROOT, check=True)
        modules = sorted(path.name for path in Path(folder).iterdir())
        for consumer, environment, form in uses:
            command = (environment, str(CONSUME), folder, f"{consumer}:{form}")
            found = run_json(*command, *modules)
            # One process for all saves time; those behind one that ended it get one each.
            found = {name: found.get(name) or run_json(*command, name) for name in modules}
            for name, result in found.items():
                row = {"environment": environment, "consumer": consumer, "format": form, "module": name}
                row |= result.get(name, result)
                print(row, flush=True)
                _save(row)


def _save(row: dict[str, Any]) -> None:
    """Put a row in the place of the one about the same use of the same module."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"rows": []}
    rows = {_key(one): one for one in results["rows"]} | {_key(row): row}
    ordered = sorted(rows.values(), key=lambda one: (USES.index(_key(one)[:3]), one["module"]))
    written = {"date": datetime.date.today().isoformat(), "rows": ordered}
    RESULTS.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def _key(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return row["consumer"], row["environment"], row["format"], row["module"]


if __name__ == "__main__":
    main()
