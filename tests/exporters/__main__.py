"""`python -m tests.exporters [TEXT]...`: measure all models, or those named or with a text in their names.

Each is measured in a process of its own, and the environment that it needs is created. Each result is written to
results.json as it comes; `make docs` writes the table in the documentation from that. A run of all models that was
stopped goes on where it stopped.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

from tests.environments import CannotInstall, python_of, run_json
from tests.exporters import keras_models, other_models  # noqa: F401 (they register the examples)
from tests.exporters.example import EXAMPLES
from tests.paths import ROOT

RESULTS = Path(__file__).with_name("results.json")
DONE = ROOT / "build" / "exporters.done"
"""The names of the models that an unfinished run of all has measured."""


def main() -> None:
    texts = [text.lower() for text in sys.argv[1:]]
    if texts:
        exact = [name for name in EXAMPLES if name.lower() in texts]
        names = exact or [name for name in EXAMPLES if any(text in name.lower() for text in texts)]
        if not names:
            sys.exit(f"No model has {' or '.join(sys.argv[1:])} in its name. Models: {', '.join(EXAMPLES)}")
    else:
        done = DONE.read_text(encoding="utf-8").splitlines() if DONE.exists() else []
        names = [name for name in EXAMPLES if name not in done]
    for number, name in enumerate(names, 1):
        print(f"{number}/{len(names)} {name}", flush=True)
        result = _measured(name)
        print(f"  {result.get('reason') or result}", flush=True)
        _save(name, result)
        if not texts:
            DONE.parent.mkdir(exist_ok=True)
            with DONE.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
    if not texts:
        DONE.unlink()


def _measured(name: str) -> dict[str, Any]:
    registered = EXAMPLES[name]
    try:
        if registered.written_in:
            python_of(registered.written_in)
    except CannotInstall as error:
        return {"reason": f"{registered.written_in} cannot be installed: {error}"}
    found: dict[str, Any] = run_json(registered.environment, "-m", "tests.exporters.measure", name)
    return found


def _save(name: str, result: dict[str, Any]) -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[name] = {**result, "date": datetime.date.today().isoformat()}
    ordered = {name: results[name] for name in EXAMPLES if name in results}
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
