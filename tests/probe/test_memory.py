"""The memory limit of workers, in a control group that limits this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubcheck.probe.dispatch import memory

GIB = 1 << 30
FILES = {
    2: ("memory.max", "memory.current", "inactive_file", "0::/"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "4:memory:/"),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("below", ["", "user.slice/run.scope"])
def test_a_limit_of_a_control_group_is_shared_by_the_workers(version, below, tmp_path: Path, monkeypatch):
    """The group with the limit may be one above; files that are cached count as free."""
    limit, used, cached, line = FILES[version]
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    (tmp_path / limit).write_text(f"{12 * GIB}\n")
    (tmp_path / used).write_text(f"{7 * GIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon {2 * GIB}\n{cached} {5 * GIB}\n")
    if below:
        (tmp_path / below / limit).write_text("max\n" if version == 2 else f"{1 << 62}\n")
    (tmp_path / "membership").write_text(f"3:cpu:/\n{line}{below}\n")
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "membership")
    for name in ("_VERSION_1", "_VERSION_2"):
        monkeypatch.setattr(memory, name, getattr(memory, name)._replace(root=tmp_path))
    monkeypatch.setattr("os.sysconf", lambda name: 1 << 20)
    monkeypatch.setattr("pathlib.Path.read_text", without_meminfo(Path.read_text))
    assert memory.fair_share(2) == pytest.approx(0.8 * 10 * GIB / 2, abs=2)


def without_meminfo(read_text):
    def read(path, *arguments, **options):
        if str(path) == "/proc/meminfo":
            raise OSError("a machine with more memory than the group allows")
        return read_text(path, *arguments, **options)

    return read
