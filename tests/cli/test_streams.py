"""Standard output and error that are closed, full or no longer read, and Ctrl-C at any time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import BATCH_OF_1, GOOD, hubcheck
from tests.disks import small_disk

HUBCHECK = f"{sys.executable} -m hubcheck"
STATIC = f"{HUBCHECK} validate --static"
FULL = "Error: standard output cannot be written: No space left on device\n"


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script, in which `$code` is the exit code of what `pipefail` pipes."""
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code(closed):
    for arguments, code in ((GOOD, 0), (BATCH_OF_1, 1), (f"--format json {BATCH_OF_1}", 1), ("no/such/folder", 2)):
        done = shell(f"{STATIC} {arguments} {closed}")
        assert done.returncode == code, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
        assert ("no such file or folder" in done.stderr) == (code == 2 and "2>&-" not in closed)


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    """Otherwise what a process prints would end up in a file that it writes."""
    done = shell(f"{STATIC} --jobs 2 {GOOD} {BATCH_OF_1} --output {tmp_path}/r.json <&- >&- 2>&-")
    assert done.returncode == 1
    assert len(json.loads((tmp_path / "r.json").read_text())["modules"]) == 2


@pytest.mark.parametrize(
    "command",
    [
        f"validate --static {GOOD}",
        f"validate --static {BATCH_OF_1} --format json",
        f"show {GOOD}",
        "rules",
        "explain output/rank",
        "--help",
        "--version",
    ],
)
def test_a_full_disk_behind_standard_output_is_one_sentence_and_exit_2(command):
    done = shell(f"{HUBCHECK} {command} >/dev/full")
    assert (done.returncode, done.stderr) == (2, FULL)


def test_a_full_disk_behind_standard_error_changes_no_exit_code():
    assert shell(f"{STATIC} {BATCH_OF_1} 2>/dev/full").returncode == 1
    assert shell(f"{STATIC} no/such/folder 2>/dev/full").returncode == 2


def test_the_files_are_written_although_standard_output_cannot_be(tmp_path):
    done = shell(f"{STATIC} {BATCH_OF_1} --output {tmp_path}/r.json >/dev/full")
    assert (done.returncode, done.stderr) == (2, FULL)
    assert json.loads((tmp_path / "r.json").read_text())["exit_code"] == 1


def test_one_file_that_cannot_be_written_does_not_keep_others_from_being_written(tmp_path):
    done = shell(f"{STATIC} {BATCH_OF_1} --output json=/dev/full --output {tmp_path}/r.json --format json")
    assert (done.returncode, done.stderr) == (2, "Error: /dev/full: cannot be written: No space left on device\n")
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(done.stdout)


def test_a_baseline_that_cannot_be_written_loses_no_report(tmp_path):
    file = tmp_path / "no" / "b.json"
    done = hubcheck("validate", "--static", BATCH_OF_1, "--format", "json", "--update-baseline", "--baseline", file)
    assert done.returncode == 2
    assert done.stderr == f"Error: {file}: cannot be written: No such file or directory\n"
    assert len(json.loads(done.stdout)["modules"]) == 1


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("redirected", [False, True])
def test_a_report_in_dev_stdout_is_the_only_one_there(name, redirected, tmp_path):
    file = tmp_path / "log"
    file.write_text("")
    done = shell(f"{STATIC} {BATCH_OF_1} --output json={name} {f'>> {file}' if redirected else ''}")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(file.read_text() if redirected else done.stdout)["exit_code"] == 1


def test_two_reports_on_standard_output_are_refused():
    for formats in ("--format json --output sarif=/dev/stdout", "--output json=/dev/stdout --output text=/dev/fd/1"):
        done = shell(f"{STATIC} {GOOD} {formats}")
        assert (done.returncode, done.stdout) == (2, "")
        assert "standard output takes one report, not json and " in done.stderr
    assert json.loads(shell(f"{STATIC} {GOOD} --format json --output json=/dev/stdout").stdout)["exit_code"] == 0


def test_a_report_in_dev_stderr_keeps_what_is_there(tmp_path):
    done = shell(f"echo before >{tmp_path}/log; {STATIC} {GOOD} --output json=/dev/stderr 2>>{tmp_path}/log")
    first, _, rest = (tmp_path / "log").read_text().partition("\n")
    assert (done.returncode, first) == (0, "before")
    assert json.loads(rest)["exit_code"] == 0
    assert shell(f"{STATIC} {GOOD} --output json=/dev/stderr 2>/dev/full").returncode == 2


@pytest.mark.parametrize("style", ["text", "json", "jsonl", "html"])
def test_a_reader_that_goes_away_changes_no_exit_code(style):
    done = shell(f"{STATIC} --format {style} {BATCH_OF_1} {GOOD} | head -c 3; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("command", ["rules", "explain output/width --full", "rules --help"])
def test_a_list_may_be_cut_short(command):
    done = shell(f"{STATIC.split(' validate', maxsplit=1)[0]} {command} | head -1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


def test_a_pipe_that_does_not_block_gets_the_whole_report(tmp_path):
    for number in range(12):  # more than a pipe holds
        shutil.copytree(BATCH_OF_1, tmp_path / f"m{number:02}")
    read, write = os.pipe()
    os.set_blocking(write, False)
    command = [*STATIC.split(), "--format", "json", str(tmp_path)]
    with subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, text=True) as process:
        os.close(write)
        with os.fdopen(read) as stream:
            first = stream.read(1)
            time.sleep(1)
            printed = first + stream.read()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1
    assert len(json.loads(printed)["modules"]) == 12


INTERRUPTED = """
import os, signal, sys
left = {count}
def hook(event, arguments):
    global left
    if event == "import" and "hubcheck.cli.main" in sys.modules:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
sys.argv = {arguments!r}
from hubcheck.cli.main import main
main()
"""


def assert_interrupted(done):
    assert done.returncode == 130, done.stderr
    assert done.stderr.split() == (["interrupted"] if not done.stdout else [])
    assert not done.stdout or json.loads(done.stdout)["exit_code"] == 130


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 20, 40, 80, 120, 160])
def test_ctrl_c_while_modules_are_imported_is_130_in_one_word(count):
    arguments = ["hubcheck", "validate", "--static", "--no-cache", "--format", "json", str(BATCH_OF_1)]
    command = [sys.executable, "-c", INTERRUPTED.format(count=count, arguments=arguments)]
    assert_interrupted(subprocess.run(command, capture_output=True, text=True, check=False))


IN_SET_NAME = """
import os, signal, sys
def profile(frame, event, argument):
    if frame.f_code.co_name == "__set_name__" and frame.f_back.f_code.co_filename.endswith("observations.py"):
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGINT)
sys.setprofile(profile)
"""
BELOW_C_CODE = """
import os, signal, sys
def hook(event, arguments):
    if event == "import" and arguments[0] == "calendar":
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
"""


@pytest.mark.parametrize("moment", [IN_SET_NAME, BELOW_C_CODE], ids=["class", "C"])
def test_ctrl_c_is_not_lost_in_an_import(moment):
    arguments = ["hubcheck", "validate", "--static", "--no-cache", "--format", "json", str(BATCH_OF_1)]
    script = f"{moment}sys.argv = {arguments!r}\nfrom hubcheck.cli.main import main\nmain()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert_interrupted(done)


@pytest.mark.slow
@pytest.mark.parametrize("style", ["json", "jsonl", "junit"])
def test_ctrl_c_leaves_whole_documents(style, tmp_path):
    for number in range(20):
        shutil.copytree(BATCH_OF_1, tmp_path / "hub" / f"m{number:02}")
    command = [*STATIC.split(), "--no-cache", "--jobs", "1", "--format", style, str(tmp_path / "hub")]
    ended = set()
    began = time.monotonic()
    subprocess.run(command, capture_output=True, check=False)
    whole = time.monotonic() - began
    for share in (0.3, 0.5, 0.7, 0.8, 0.9):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(share * whole)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        if process.returncode == -signal.SIGINT:  # before the first line of hubcheck, or after the last
            continue
        ended.add(process.returncode)
        assert "Traceback" not in err
        assert process.returncode in (1, 130)
        if out and style == "junit":
            assert out.endswith("</testsuites>\n")
        for document in out.splitlines() if style == "jsonl" else filter(None, [out] if style == "json" else []):
            json.loads(document)
    assert 130 in ended


def test_a_disk_that_fills_up_loses_no_report(tmp_path):
    for number in range(120):
        shutil.copytree(BATCH_OF_1, tmp_path / "hub" / f"m{number:03}")
    with small_disk(tmp_path / "disk", 100_000) as disk:
        done = disk.hubcheck("validate", "--static", "--no-cache", "--jobs", 1, "--format", "json", tmp_path / "hub")
    assert (done.returncode, done.stderr) == (1, "")
    modules = json.loads(done.stdout)["modules"]
    assert [Path(module["path"]).name for module in modules] == [f"m{number:03}" for number in range(120)]
    assert {module["verdict"] for module in modules} == {"violates"}
