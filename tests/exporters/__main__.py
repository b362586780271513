"""`python -m tests.exporters [NAME]...`: measure all examples, or those whose names contain one of these texts.

The results are added to results.json, from which `make docs` writes the table in the documentation.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.exporters import keras_models, other_models  # noqa: F401 (they register the examples)
from tests.exporters.example import EXAMPLES
from tests.paths import ROOT

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    texts = [text.lower() for text in sys.argv[1:]]
    wanted = {
        name: registered.environment
        for name, registered in EXAMPLES.items()
        if not texts or any(text in name.lower() for text in texts)
    }
    for environment in dict.fromkeys(wanted.values()):
        names = [name for name, needed in wanted.items() if needed == environment]
        python = ROOT / ".venvs" / environment / "bin" / "python"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([str(python), "-m", "tests.exporters.measure", folder, *names], cwd=ROOT, check=False)
            for index, name in enumerate(names):
                file = Path(folder, f"{index}.json")
                found = file.read_text(encoding="utf-8") if file.exists() else '{"reason": "the process ended"}'
                results[name] = {**json.loads(found), "date": datetime.date.today().isoformat()}
        ordered = {name: results[name] for name in EXAMPLES if name in results}
        RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
