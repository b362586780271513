"""A module in an archive is checked like any other; an unsafe archive is refused, and leaves no files behind."""

from __future__ import annotations

import fcntl
import gzip
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.findings import Finding
from hubcheck.module.checkpoint import stored_bytes
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.locate import find_modules
from hubcheck.module.open_module import open_module
from hubcheck.probe.dispatch.kept_servers import KEPT_SERVERS
from tests.paths import DATA

pytestmark = pytest.mark.slow

GOOD = DATA / "a_good_feature_vector"
Edit = Callable[[tarfile.TarFile], object]
ZipEdit = Callable[[zipfile.ZipFile], object]


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, which must be empty after the test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    KEPT_SERVERS.close()  # they have folders of their own
    assert list(folder.iterdir()) == []


def packed(path: Path, edit: Edit | None = None, *, source: Path = GOOD, prefix: str = ".") -> Path:
    """A module as .tar.gz, with members added."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(source, arcname=prefix)
        if edit is not None:
            edit(tar)
    return path


def zipped(path: Path, edit: ZipEdit | None = None, *, prefix: str = "") -> Path:
    """A module as .zip, with members added."""
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(GOOD.rglob("*")):
            archive.write(file, prefix + str(file.relative_to(GOOD)))
        if edit is not None:
            edit(archive)
    return path


def findings(path: Path) -> list[Finding]:
    return findings_of_all({"": path})[""]


def findings_of_all(archives: dict[str, Path]) -> dict[str, list[Finding]]:
    """The findings of many archives, each of which would take a process of its own if it was checked alone."""
    report = hubcheck.validate(list(archives.values()), static=True, jobs=min(2, len(archives)))
    assert report.exit_code in (0, 1), [o for m in report.modules for o in m.outcomes if o.status == "broken"]
    return {name: list(module.findings) for name, module in zip(archives, report.modules, strict=True)}


def limited(path: Path, limits: ReadLimits) -> str:
    """The one problem of a module that is read within limits."""
    with open_module(path, limits) as module:
        assert module.format is None
        (problem,) = module.problems
    return problem.message


def member(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", data: bytes = b"x") -> Edit:
    def edit(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        info.size = len(data) if kind == tarfile.REGTYPE else 0
        tar.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)

    return edit


def entry(name: str, mode: int = 0, data: bytes = b"x") -> ZipEdit:
    def edit(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        info.external_attr = mode << 16
        archive.writestr(info, data)

    return edit


def test_a_packed_module_is_checked_like_a_folder(tmp_path: Path) -> None:
    archives = [packed(tmp_path / name) for name in ("m.tar.gz", "m.tgz", "M.TGZ")] + [zipped(tmp_path / "m.zip")]
    report = hubcheck.validate(archives)
    assert report.findings == ()
    assert report.exit_code == 0
    for module, archive in zip(report.modules, archives, strict=True):
        assert module.path == str(archive)
        assert module.format == "tf1-hub"
        assert "passed" in {outcome.status for outcome in module.outcomes if outcome.rule == "behaviour/runs"}


def test_a_bad_module_in_an_archive_has_the_findings_of_its_folder(tmp_path: Path) -> None:
    archive = packed(tmp_path / "m.tar.gz", source=DATA / "e_fixed_batch_1")
    assert [f.rule for f in findings(archive)] == [f.rule for f in findings(DATA / "e_fixed_batch_1")]


def test_archives_of_modules_are_found_below_a_folder(tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    (hub / "below").mkdir(parents=True)
    kept = [packed(hub / "a.tar.gz"), zipped(hub / "below" / "b.zip")]
    (hub / "damaged.tgz").write_bytes(b"no archive")
    with zipfile.ZipFile(hub / "pictures.zip", "w") as other:
        other.writestr("cat.png", b"")
    assert find_modules(hub) == sorted([*kept, hub / "damaged.tgz"])


UNSAFE_TAR: dict[str, tuple[Edit, str]] = {
    "traversal": (member("../outside"), "a name that leads out"),
    "hidden traversal": (member("assets/../../outside"), "a name that leads out"),
    "absolute": (member("/tmp/outside"), "a name that leads out"),
    "windows": (member("..\\outside"), "a name that leads out"),
    "drive": (member("C:/outside"), "a name that leads out"),
    "symlink": (member("assets", tarfile.SYMTYPE, link="/etc"), "is a symbolic link"),
    "inner symlink": (member("copy.pb", tarfile.SYMTYPE, link="saved_model.pb"), "is a symbolic link"),
    "hard link": (member("passwd", tarfile.LNKTYPE, link="/etc/passwd"), "is a hard link"),
    "character device": (member("zero", tarfile.CHRTYPE), "is a device"),
    "block device": (member("disk", tarfile.BLKTYPE), "is a device"),
    "pipe": (member("pipe", tarfile.FIFOTYPE), "is a pipe"),
    "duplicate": (member("saved_model.pb"), "is in the archive twice"),
    "duplicate in disguise": (member("./variables/../saved_model.pb"), "a name that leads out"),
    "below a file": (member("saved_model.pb/x"), "lies below a file"),
    "long name": (member("n" * 256), "a name that is too long"),
}
UNSAFE_ZIP: dict[str, tuple[ZipEdit, str]] = {
    "traversal": (entry("../outside"), "a name that leads out"),
    "absolute": (entry("/tmp/outside"), "a name that leads out"),
    "windows": (entry("..\\outside"), "a name that leads out"),
    "symlink": (entry("assets", stat.S_IFLNK | 0o777, b"/etc"), "is a symbolic link"),
    "device": (entry("zero", stat.S_IFCHR | 0o666), "is a device"),
    "duplicate": (entry("saved_model.pb"), "is in the archive twice"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unsafe_archives_are_refused(tmp_path: Path) -> None:
    wanted = {f"tar, {kind}": why for kind, (_, why) in UNSAFE_TAR.items()}
    wanted |= {f"zip, {kind}": why for kind, (_, why) in UNSAFE_ZIP.items()}
    wanted["a link in the place of the model"] = "is a symbolic link"
    archives = {f"tar, {kind}": packed(tmp_path / f"t {kind}" / "m.tar.gz", UNSAFE_TAR[kind][0]) for kind in UNSAFE_TAR}
    archives |= {f"zip, {kind}": zipped(tmp_path / f"z {kind}" / "m.zip", UNSAFE_ZIP[kind][0]) for kind in UNSAFE_ZIP}
    archives["a link in the place of the model"] = tmp_path / "m.tgz"
    with tarfile.open(tmp_path / "m.tgz", "w:gz") as tar:
        member("saved_model.pb", tarfile.SYMTYPE, link="/etc/passwd")(tar)
    around = {file for file in tmp_path.rglob("*") if "scratch" not in str(file)}
    for kind, found in findings_of_all(archives).items():
        assert [(finding.rule, finding.level) for finding in found] == [("safety/paths", "error")], kind
        assert wanted[kind] in found[0].message, kind
    assert {file for file in tmp_path.rglob("*") if "scratch" not in str(file)} == around
    assert not Path("/tmp/outside").exists()


def test_an_unsafe_archive_is_not_run(tmp_path: Path) -> None:
    report = hubcheck.validate(packed(tmp_path / "m.tar.gz", member("../outside")), run_unsafe=True)
    assert [finding.rule for finding in report.findings] == ["safety/paths"]
    assert {o.status for o in report.modules[0].outcomes if o.rule == "behaviour/runs"} == {"skipped"}


def test_a_wrapper_folder_is_a_finding_and_the_module_in_it_is_checked(tmp_path: Path) -> None:
    archive = packed(tmp_path / "m.tar.gz", source=DATA / "e_fixed_batch_1", prefix="e_fixed_batch_1")
    assert {finding.rule for finding in findings(archive)} == {"image-input/batch-size", "package/layout"}


OTHER_FILES = (
    "__MACOSX/._saved_model.pb",
    ".DS_Store",
    "notes.txt",
    "src/train.py",
    "assets/._x",
    "variables/train.tfrecord",
    "variables/old/variables.index",
)
ACCEPTED_FILES = (
    "LICENSE",
    "MODULE.md",
    "fingerprint.pb",
    "assets/labels.txt",
    "assets.extra/x/y",
    "debug/saved_model_debug_info.pb",
    "variables/checkpoint",
)


def test_files_that_do_not_belong_to_a_module_are_findings_and_those_of_exporters_are_accepted(tmp_path: Path) -> None:
    names = (*OTHER_FILES, *ACCEPTED_FILES)
    archives = {name: zipped(tmp_path / str(number) / "m.zip", entry(name)) for number, name in enumerate(names)}
    found = {name: [(f.rule, f.found) for f in all_] for name, all_ in findings_of_all(archives).items()}
    assert found == {name: [("package/layout", name)] if name in OTHER_FILES else [] for name in names}


def test_a_document_beside_an_archive_counts_as_beside_a_folder(tmp_path: Path) -> None:
    archive = packed(tmp_path / "m.tar.gz")
    assert hubcheck.read(archive).documents == {}
    (tmp_path / "README.md").write_text("# m")
    assert hubcheck.read(archive).documents == {"../README.md": "# m"}


def damaged(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    (finding,) = findings(path)
    assert finding.rule == "module/readable"
    return finding.message


NO_ARCHIVES = {
    "empty": b"",
    "start of a zip": b"PK",
    "start of a gzip": b"\x1f\x8b",
    "zip of nothing": b"PK\5\6" + bytes(18),
    "gzip of no tar": gzip.compress(b"x" * 600, mtime=0),
    "text": b"text",
}


def test_files_that_are_no_whole_archives_are_one_finding_each(tmp_path: Path) -> None:
    contents = {f"{what}{suffix}": data for what, data in NO_ARCHIVES.items() for suffix in (".tar.gz", ".zip")}
    for archive in (packed(tmp_path / "whole.tar.gz"), zipped(tmp_path / "whole.zip")):
        whole = archive.read_bytes()
        ends = range(0, len(whole) - 30, len(whole) // 25)
        contents |= {f"{end} bytes of {archive.name}": whole[:end] for end in ends}
    (tmp_path / "damaged").mkdir()
    for name, data in contents.items():
        (tmp_path / "damaged" / name).write_bytes(data)
    for name, found in findings_of_all({name: tmp_path / "damaged" / name for name in contents}).items():
        assert [finding.rule for finding in found] == ["module/readable"], name
        assert name in found[0].message


def test_an_archive_of_no_module_or_of_two_is_one_finding(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("cat.png", b"")
    with tarfile.open(tmp_path / "two.tgz", "w:gz") as tar:
        tar.add(GOOD, "a")
        tar.add(GOOD, "b")
    (none,), (two,) = findings(tmp_path / "none.zip"), findings(tmp_path / "two.tgz")
    assert "no module is in none.zip" in none.message
    assert "2 modules are in two.tgz: a, b" in two.message


def test_an_encrypted_zip_is_one_finding(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "m.zip")
    data = bytearray(archive.read_bytes())
    at = data.find(b"PK\1\2")
    data[at + 8] |= 1
    assert "encrypted" in damaged(archive, bytes(data))


BOMBS: dict[str, tuple[ReadLimits, Edit]] = {
    "files": (
        replace(LIMITS, files=50),
        lambda tar: [member(f"assets/{i}")(tar) for i in range(60)],
    ),
    "archive-bytes": (replace(LIMITS, archive_bytes=1 << 20), member("assets/big", data=os.urandom(2 << 20))),
}


@pytest.mark.parametrize("limit", BOMBS)
def test_a_tar_bomb_is_one_problem_that_names_the_limit(tmp_path: Path, limit: str) -> None:
    limits, edit = BOMBS[limit]
    assert limited(packed(tmp_path / "m.tar.gz", edit), limits).endswith(f"the limit {limit}")


def test_a_tar_whose_bytes_unpack_to_a_thousand_times_as_many_is_one_problem(tmp_path: Path) -> None:
    zeros = tarfile.TarInfo("assets/zeros")
    zeros.size = 1 << 30
    rest = packed(tmp_path / "rest.tar.gz").read_bytes()
    # A file of several gzip streams is their contents one after the other.
    (tmp_path / "m.tar.gz").write_bytes(gzip.compress(zeros.tobuf()) + gzip.compress(bytes(1 << 24)) * 64 + rest)
    assert limited(tmp_path / "m.tar.gz", LIMITS).endswith("the limit archive-ratio")


def test_a_zip_bomb_is_one_problem_that_names_the_limit(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "m.zip", entry("assets/zeros", data=bytes(32 << 20)))
    assert limited(archive, replace(LIMITS, archive_bytes=1 << 20)).endswith("the limit archive-bytes")


def test_a_zip_that_lies_about_sizes_is_one_problem(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "m.zip", lambda a: a.writestr("assets/zeros", bytes(1 << 20), zipfile.ZIP_DEFLATED))
    data = archive.read_bytes().replace((1 << 20).to_bytes(4, "little"), (1).to_bytes(4, "little"))
    assert "m.zip" in damaged(archive, data)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_requests_much_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 1 << 30
    message = damaged(tmp_path / "m.tgz", gzip.compress(info.tobuf() + bytes(1 << 21)))
    assert "a header of more than" in message


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_static_checks_unpack_no_weights_but_what_they_read_of_them(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "module"
    shutil.copytree(DATA / "cases" / "range_in_variables", source)
    (shard,) = (source / "variables").glob("variables.data-*")
    os.truncate(shard, 64 << 20)
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), {".zip": "zip"}.get(suffix, "gztar"), source))
    with open_module(source) as there, open_module(archive, weights=False) as unpacked:
        (small,) = (unpacked.folder / "variables").glob("variables.data-*")
        assert small.stat().st_size == 64 << 20
        assert small.stat().st_blocks * 512 < 1 << 20
        assert there.checkpoint is not None
        entries = list(there.checkpoint.entries.values())
        assert entries
        assert [stored_bytes(unpacked, entry) for entry in entries] == [stored_bytes(there, entry) for entry in entries]
        assert unpacked.objects is not None
    rules = [[finding.rule for finding in hubcheck.validate(path, static=True).findings] for path in (source, archive)]
    assert rules[0] == rules[1] != []


def test_members_may_be_read_through_the_buffer_of_python_3_14(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Buffered(tarfile.ExFileObject):
        def __init__(self, tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
            io.BufferedReader.__init__(self, tarfile.ExFileObject(tar, info).detach(), 1 << 17)

    large = packed(tmp_path / "m.tgz", member("assets/large", data=bytes(1 << 18)))
    monkeypatch.setattr(tarfile.TarFile, "fileobject", Buffered)
    with open_module(large) as module:
        assert module.problems == ()


def test_a_long_chain_of_headers_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 512
    assert "damaged" in damaged(tmp_path / "m.tgz", gzip.compress((info.tobuf() + b"n" * 512) * 5000))


def test_the_folder_of_a_killed_process_is_removed_by_the_next(tmp_path: Path, scratch: Path) -> None:
    left, used = scratch / "hubcheck-unpacked-left", scratch / "hubcheck-unpacked-used"
    for folder in (left, used):
        folder.mkdir()
        (folder / ".lock").touch()
        (folder / "saved_model.pb").touch()
    with (used / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert findings(packed(tmp_path / "m.tgz")) == []
        assert used.exists()
        assert not left.exists()
    assert findings(packed(tmp_path / "m.tgz")) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, scratch: Path) -> None:
    packed(tmp_path / "m.tgz", member("assets/big", data=os.urandom(64 << 20)))
    environment = {**os.environ, "TMPDIR": str(scratch)}
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", "--no-cache", str(tmp_path / "m.tgz")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for _ in range(10):
        with subprocess.Popen(command, env=environment, **quiet) as process:
            while not list(scratch.glob("hubcheck-*/module/*")) and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGINT)
        if process.returncode:
            break
        # It was done before the signal came; the next one may be slower.
    assert process.returncode == 130
