"""What is printed: the JSON report, text, progress in a terminal, and pipes that close early."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys

import jsonschema
import pytest

from tests.cli.command import BATCH_OF_1, GOOD, document, hubcheck
from tests.paths import DATA, ROOT


def test_the_json_report_keeps_its_schema():
    schema = json.loads((ROOT / "rules" / "schema" / "report.schema.json").read_text(encoding="utf-8"))
    report = document("--static", GOOD, BATCH_OF_1)
    jsonschema.validate(report, schema)
    assert report["exit_code"] == 1
    assert [module["verdict"] for module in report["modules"]] == ["conforms", "violates"]
    finding = report["modules"][1]["findings"][0]
    assert finding["rule"] == "image-input/batch-size"
    assert finding["where"] == {
        "variant": "",
        "trace": None,
        "signature": "image_feature_vector",
        "side": "inputs",
        "key": "images",
        "node": None,
    }
    assert (finding["found"], finding["wanted"]) == ("float32 [1, 32, 24, 3]", "float32 [?, 32, 24, 3]")


def test_the_text_fits_80_columns_without_colour():
    done = hubcheck("validate", "--static", "e_fixed_batch_1", "a_good_feature_vector", cwd=DATA)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "needs image-input/batch-size" in done.stdout
    assert "2 modules: 1 passed, 1 failed; 1 error" in done.stdout


def test_what_modules_are_called_is_never_taken_for_markup(tmp_path):
    module = tmp_path / "[red]{found} :smile:"
    shutil.copytree(BATCH_OF_1, module)
    done = hubcheck("validate", "--static", module.name, cwd=tmp_path)
    assert done.returncode == 1
    assert "[red]{found} :smile:" in done.stdout


@pytest.mark.parametrize("style", ["text", "json", "jsonl", "sarif", "junit", "github", "gitlab", "markdown", "html"])
def test_paths_that_are_no_text_are_reported_in_every_format(tmp_path, style):
    module = os.fsencode(tmp_path) + b"/m\xff"
    shutil.copytree(os.fsencode(DATA / "e_fixed_batch_1"), module)
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", module, "--format", style]
    command += ["--output", f"{style}={tmp_path / 'report'}", "--baseline", tmp_path / "b.json", "--update-baseline"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert (tmp_path / "report").exists()
    again = hubcheck("validate", "--static", os.fsdecode(module), "--baseline", tmp_path / "b.json")
    assert again.returncode == 0, again.stdout


def test_several_modules_show_progress_in_a_terminal():
    screen = in_a_terminal("validate", "--static", str(GOOD), str(BATCH_OF_1))
    assert "checking" in screen
    assert "2/2" in screen
    assert "\x1b[" in screen


def in_a_terminal(*arguments: str, **env: str) -> str:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "hubcheck", *arguments]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "30", **env}
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    shown = bytearray()
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    process.wait(timeout=60)
    os.close(leader)
    return shown.decode("utf-8", "replace")


def test_a_reader_that_closes_the_pipe_early_is_no_error():
    command = f"{sys.executable} -m hubcheck rules | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_reader_that_has_gone_changes_neither_verdict_nor_files(tmp_path):
    for number in range(60):
        shutil.copytree(GOOD, tmp_path / "hub" / f"m{number:02}")
    command = (
        f"{sys.executable} -m hubcheck validate --static --no-cache --jobs 1 {tmp_path}/hub --output {tmp_path}/r.json"
    )
    script = f"{command} | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads((tmp_path / "r.json").read_text())["modules"]) == 60
