"""A folder appears whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from hubcheck.author import transaction
from hubcheck.author.transaction import commit, staging


def names(folder) -> list[str]:
    return sorted(child.name for child in folder.iterdir())


def write(stage, text: str):
    new = stage / "m"
    new.mkdir()
    (new / "file").write_text(text)
    return new


def test_a_new_folder_is_put_in_place(tmp_path):
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "new"), tmp_path / "m")
    assert (tmp_path / "m" / "file").read_text() == "new"
    assert names(tmp_path) == ["m"]


@pytest.mark.parametrize("exchange", [True, False])
def test_an_old_folder_is_replaced(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(transaction, "_rename", lambda *_: False)
    for text in ("old", "new"):
        with staging(tmp_path / "m") as stage:
            commit(write(stage, text), tmp_path / "m")
    assert (tmp_path / "m" / "file").read_text() == "new"
    assert names(tmp_path) == ["m"]


def test_an_error_leaves_nothing_not_even_the_parents(tmp_path):
    with pytest.raises(KeyboardInterrupt), staging(tmp_path / "a" / "b" / "m") as stage:
        write(stage, "half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_an_error_leaves_parents_that_were_there_or_are_used(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError), staging(tmp_path / "a" / "b" / "m") as stage:
        (stage.parent / "other").touch()
        raise ValueError
    assert names(tmp_path / "a") == ["b"] and names(tmp_path / "a" / "b") == ["other"]


def test_at_no_moment_is_there_no_whole_folder(tmp_path):
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
    # An open file of the folder that was just replaced may vanish; the folder itself never does.
    assert len(seen) > 1 and len(missed) <= len(seen)
    assert (tmp_path / "m" / "file").read_text() == "99"


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path):
    code = f"""
import time
from pathlib import Path
from hubcheck.author.transaction import staging
with staging(Path({str(tmp_path / "m")!r})) as stage:
    (stage / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "mine"), tmp_path / "m")
    assert len(names(tmp_path)) == 2, "an export that still runs is left alone"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert (tmp_path / "m" / "file").read_text() == "mine"
    with staging(tmp_path / "m") as stage:
        pass
    assert names(tmp_path) == ["m"]


def test_without_exchange_a_kill_between_the_steps_loses_nothing(tmp_path):
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "old"), tmp_path / "m")
    # What a process that died between the two renames leaves.
    stale = tmp_path / ".m.hubcheck-dead"
    stale.mkdir()
    (tmp_path / "m").rename(stale / "old")
    with staging(tmp_path / "m"):
        pass
    assert (tmp_path / "m" / "file").read_text() == "old"
    assert names(tmp_path) == ["m"]


def test_what_appears_meanwhile_is_not_replaced_unasked(tmp_path):
    with pytest.raises(FileExistsError), staging(tmp_path / "m") as stage:
        new = write(stage, "mine")
        (tmp_path / "m").mkdir()
        commit(new, tmp_path / "m", replace=False)
    assert names(tmp_path) == ["m"] and names(tmp_path / "m") == []


def test_a_link_at_the_target_is_replaced_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("real")
    (tmp_path / "m").symlink_to("real")
    with staging(tmp_path / "m") as stage:
        commit(write(stage, "new"), tmp_path / "m")
    assert (tmp_path / "real" / "file").read_text() == "real"
    assert not (tmp_path / "m").is_symlink() and (tmp_path / "m" / "file").read_text() == "new"


def test_names_with_wildcards_are_taken_literally(tmp_path):
    (tmp_path / ".m1.hubcheck-x").mkdir()
    with staging(tmp_path / "m[1]"):
        time.sleep(0)
    assert (tmp_path / ".m1.hubcheck-x").exists()


def test_exports_of_one_target_leave_each_others_folders_alone(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from hubcheck.author.transaction import staging\n"
        "for _ in range(400):\n"
        "    with staging(Path(sys.argv[1])) as stage:\n"
        "        (stage / 'x').write_text('x')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "module")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in running] == ["", "", ""]
    assert list(tmp_path.iterdir()) == []
