"""Releases of the original TF Hub library that consumers use, each installed in its own folder.

Two releases cannot be installed in one environment, and the older one requires packages that it does not use, so they
are installed without their dependencies, once per environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.publishing import exclusive

_HERE = Path(__file__).parent


def library(version: str) -> Path:
    """Return the folder of a tensorflow-hub release, installed if needed."""
    home = Path(sys.prefix) / "share" / "hubcheck-tests"
    folder = home / f"tensorflow-hub-{version}"
    with exclusive(home):
        if not folder.exists():
            part = home / f"{folder.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(part)]
            done = subprocess.run([*command, f"tensorflow-hub=={version}"], capture_output=True, text=True, check=False)
            if done.returncode:
                reason = f"tensorflow-hub {version} cannot be installed: {done.stderr.strip().splitlines()[-1:]}"
                # In CI a missing library must not pass.
                (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
            part.rename(folder)
    return folder


def run(script: str, version: str, *arguments: object) -> dict[str, Any]:
    """Run a script of this folder with a version of the library; return its last line, parsed as JSON."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(library(version)), str(_HERE.parents[1])]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, str(_HERE / script), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
