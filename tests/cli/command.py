"""Run the command line in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.paths import DATA

GOOD = DATA / "a_good_feature_vector"
BATCH_OF_1 = DATA / "e_fixed_batch_1"


def hubcheck(*arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hubcheck", *map(str, arguments)]
    environment = {**os.environ, **env}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def document(*arguments: object) -> dict:
    return json.loads(hubcheck("validate", "--format", "json", *arguments).stdout)
