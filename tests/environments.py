"""Environments of other libraries, in .venvs, and commands that run in them."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.paths import ROOT

_LIMIT_S = 3600


class CannotInstall(Exception):
    """The last words of pip about the packages of an environment."""


def python_of(environment: str) -> Path:
    """Return the interpreter of an environment of tests/exporters/environments, which is created if it is not there.

    Raises:
        CannotInstall: its packages cannot be installed.
    """
    command = ["make", "--no-print-directory", f".venvs/{environment}/.ready"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise CannotInstall(errors[-1] if errors else done.stderr.strip()[-300:])
    return ROOT / ".venvs" / environment / "bin" / "python"


def run_json(environment: str, *arguments: str) -> Any:
    """Run Python with arguments and the name of a file, and return the JSON that it wrote there.

    A dictionary with a `reason` stands for a process that could not start or ended without writing.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "result.json")
        try:
            command = [str(python_of(environment)), *arguments, str(file)]
            status = subprocess.run(command, cwd=ROOT, check=False, timeout=_LIMIT_S).returncode
        except CannotInstall as error:
            return {"reason": f"cannot be installed: {error}"}
        except subprocess.TimeoutExpired:
            return {"reason": f"not finished after {_LIMIT_S // 60} minutes"}
        if file.exists():
            return json.loads(file.read_text(encoding="utf-8"))
        ended = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return {"reason": f"the process ended {ended}"}
