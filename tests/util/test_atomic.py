"""Replacing a folder atomically, also when the process is killed."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import threading
import time

import pytest

from hubcheck.util.atomic import commit, staging


def names(folder) -> list[str]:
    return sorted(child.name for child in folder.iterdir())


def write(stage, text: str):
    new = stage / "m"
    new.mkdir()
    (new / "file").write_text(text)
    return new


def test_a_new_folder_is_moved_to_the_target(tmp_path):
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "new"), tmp_path / "m")
    assert (tmp_path / "m" / "file").read_text() == "new"
    assert names(tmp_path) == ["m"]


@pytest.mark.parametrize("exchange", [True, False])
def test_an_old_folder_is_replaced(tmp_path, monkeypatch, exchange):
    if not exchange:
        # A C library without renameat2, as outside Linux.
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    for text in ("old", "new"):
        with staging(tmp_path / "m") as stage:
            commit(write(stage, text), tmp_path / "m")
    assert (tmp_path / "m" / "file").read_text() == "new"
    assert names(tmp_path) == ["m"]


def test_an_error_removes_the_parents_that_were_created(tmp_path):
    with pytest.raises(KeyboardInterrupt), staging(tmp_path / "a" / "b" / "m") as stage:
        write(stage, "half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_an_error_keeps_parents_that_existed_or_are_used(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError), staging(tmp_path / "a" / "b" / "m") as stage:
        (stage.parent / "other").touch()
        raise ValueError
    assert names(tmp_path / "a") == ["b"] and names(tmp_path / "a" / "b") == ["other"]


def test_there_is_a_complete_folder_at_any_time(tmp_path):
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "0"), tmp_path / "m")
    missed, seen, done = [], set(), threading.Event()

    def watch():
        while not done.is_set():
            try:
                seen.add((tmp_path / "m" / "file").read_text())
            except OSError as error:
                missed.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for count in range(100):
        with staging(tmp_path / "m") as stage:
            commit(write(stage, str(count)), tmp_path / "m")
    done.set()
    watcher.join()
    # A file of the replaced folder may vanish while it is opened; the folder itself never does.
    assert len(seen) > 1 and len(missed) <= len(seen)
    assert (tmp_path / "m" / "file").read_text() == "99"


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path):
    code = f"""
import time
from pathlib import Path
from hubcheck.util.atomic import staging
with staging(Path({str(tmp_path / "m")!r})) as stage:
    (stage / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "mine"), tmp_path / "m")
    assert len(names(tmp_path)) == 2, "the folder of a running process is kept"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert (tmp_path / "m" / "file").read_text() == "mine"
    with staging(tmp_path / "m") as stage:
        pass
    assert names(tmp_path) == ["m"]


def test_a_kill_between_the_two_steps_without_exchange_loses_nothing(tmp_path):
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "old"), tmp_path / "m")
    # What a process leaves that was killed between the two renames.
    stale = tmp_path / ".m.hubcheck-dead"
    stale.mkdir()
    (tmp_path / "m").rename(stale / "old")
    with staging(tmp_path / "m"):
        pass
    assert (tmp_path / "m" / "file").read_text() == "old"
    assert names(tmp_path) == ["m"]


def test_a_target_that_was_created_meanwhile_is_not_replaced_without_replace(tmp_path):
    with pytest.raises(FileExistsError), staging(tmp_path / "m") as stage:
        new = write(stage, "mine")
        (tmp_path / "m").mkdir()
        commit(new, tmp_path / "m", replace=False)
    assert names(tmp_path) == ["m"] and names(tmp_path / "m") == []


def test_a_link_at_the_target_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("real")
    (tmp_path / "m").symlink_to("real")
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "new"), tmp_path / "m")
    assert (tmp_path / "real" / "file").read_text() == "real"
    assert not (tmp_path / "m").is_symlink() and (tmp_path / "m" / "file").read_text() == "new"


def test_names_with_wildcards_are_literal(tmp_path):
    (tmp_path / ".m1.hubcheck-x").mkdir()
    with staging(tmp_path / "m[1]"):
        time.sleep(0)
    assert (tmp_path / ".m1.hubcheck-x").exists()


@pytest.mark.slow
def test_processes_with_the_same_target_keep_each_others_folders(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from hubcheck.util.atomic import staging\n"
        "for _ in range(400):\n"
        "    with staging(Path(sys.argv[1])) as stage:\n"
        "        (stage / 'x').write_text('x')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "module")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in running] == ["", "", ""]
    assert list(tmp_path.iterdir()) == []
