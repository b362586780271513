"""Reports of unchanged modules come from the cache, those of changed ones never; a damaged cache does no harm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hubcheck.config.file import Config
from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.limits import ReadLimits
from hubcheck.run.cache import Cache
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import stream
from tests.engine.test_rules import OWN_RULE
from tests.module.test_archive import packed
from tests.paths import DATA


@pytest.fixture
def module(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "e_fixed_batch_1", tmp_path / "modules" / "module"))


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(static=True, cache=tmp_path / "cache")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The modules that were opened, because their reports were not in the cache."""
    from hubcheck.run import checker

    seen: list[Path] = []
    open_source = checker.open_source

    def noted(path: Path, *arguments: object, **options: object) -> object:
        seen.append(path)
        return open_source(path, *arguments, **options)

    monkeypatch.setattr(checker, "open_source", noted)
    return seen


def check(options: Options, *modules: Path) -> list[ModuleReport]:
    return list(stream(modules, resolve(options)))


def comparable(reports: list[ModuleReport]) -> list[ModuleReport]:
    """Reports without what differs from run to run."""
    return [replace(report, elapsed_s=0, from_cache=False) for report in reports]


def test_the_report_of_an_unchanged_module_comes_from_the_cache(
    module: Path, options: Options, reads: list[Path]
) -> None:
    first, second = check(options, module), check(options, module)
    assert reads == [module]
    assert comparable(first) == comparable(second)
    assert [report.from_cache for report in (*first, *second)] == [False, True]
    assert [finding.rule for finding in second[0].findings] == ["image-input/batch-size"]


@pytest.mark.parametrize("details", [True, False])
def test_runs_with_and_without_an_html_report_serve_each_other(
    details: bool, module: Path, options: Options, reads: list[Path]
) -> None:
    (first,) = check(replace(options, details=details), module)
    (second,) = check(replace(options, details=not details), module)
    assert reads == [module]
    assert (first.from_cache, second.from_cache) == (False, True)
    assert first.details is not None
    assert first.details == second.details


def test_an_interrupted_run_resumes_whatever_is_printed_and_written(tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    for number in range(6):
        shutil.copytree(DATA / "e_fixed_batch_1", hub / f"m{number}")
    plan = resolve(Options(static=True, cache=tmp_path / "hubcheck" / "reports", named=(hub,)))
    interrupted = stream(sorted(hub.iterdir()), plan)
    assert [next(interrupted).from_cache for _ in range(3)] == [False] * 3
    interrupted.close()
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", str(hub)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    for options, count in (
        (["--output", str(tmp_path / "x.html")], "6 modules (3 cached): "),
        (["--format", "concise", "--output", str(tmp_path / "x.sarif")], "6 modules (6 cached): "),
        (["--verbose", "--color", "always"], "6 modules (6 cached): "),
    ):
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, env=environment)
        assert count in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "x.html").read_text(encoding="utf-8").count('class="graph') >= 6, (
        "the cached modules have their graphs"
    )


def test_without_a_cache_every_run_checks(module: Path, options: Options, reads: list[Path]) -> None:
    for _ in range(2):
        check(replace(options, cache=None), module)
    assert reads == [module, module]


CHANGES: dict[str, Callable[[Path], object]] = {
    "model": lambda m: (m / "saved_model.pb").write_bytes((m / "saved_model.pb").read_bytes()[:-1]),
    "marker": lambda m: (m / "tfhub_module.pb").write_bytes(b"\x08\x02"),
    "index": lambda m: (m / "variables" / "variables.index").write_bytes(b""),
    "weights": lambda m: os.utime(m / "variables" / "variables.data-00000-of-00001", (1, 1)),
    "new file": lambda m: (m / "notes.txt").touch(),
    "renamed file": lambda m: (m / "tfhub_module.pb").rename(m / "other.pb"),
    "beside": lambda m: (m.parent / "README.md").write_text("softmax"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_module_is_checked_again(module: Path, options: Options, reads: list[Path], change: str) -> None:
    check(options, module)
    CHANGES[change](module)
    check(options, module)
    assert len(reads) == 2


def test_rules_with_code_of_their_own_are_checked_every_time(
    module: Path, options: Options, reads: list[Path], tmp_path: Path
) -> None:
    rule = tmp_path / "cached_house" / "house" / "asked.toml"
    rule.parent.mkdir(parents=True)
    rule.write_text(
        OWN_RULE.replace("house/known-classes", "house/asked")
        .replace('"tensors:dimension"', '"cached_house.checks:asked"')
        .replace('params = { side = "outputs", sizes = ["name"] }', "")
    )
    (rule.parents[1] / "checks.py").write_text("def asked(context):\n    return iter(())\n")
    for _ in range(2):
        check(replace(options, rules=(tmp_path / "cached_house",)), module)
    assert len(reads) == 2


def test_a_changed_rule_file_makes_another_key(
    module: Path, options: Options, reads: list[Path], tmp_path: Path
) -> None:
    rule = tmp_path / "rules" / "house" / "known-classes.toml"
    rule.parent.mkdir(parents=True)
    rule.write_text(OWN_RULE, encoding="utf-8")
    asked = replace(options, rules=(tmp_path / "rules",))
    check(options, module)
    check(asked, module)
    check(asked, module)
    assert len(reads) == 2
    rule.write_text(OWN_RULE.replace('["name"]', '["unknown"]'), encoding="utf-8")
    check(asked, module)
    assert len(reads) == 3


SETTINGS: dict[str, Callable[[Options], Options]] = {
    "levels": lambda o: replace(o, config=Config(Path("hubcheck.toml"), levels={"image-input": "note"})),
    "selection": lambda o: replace(o, select=("image-input",)),
    "level": lambda o: replace(o, fail_on="warning"),
    "unsafe": lambda o: replace(o, run_unsafe=True),
    "limits": lambda o: replace(o, limits=ReadLimits(nodes=10)),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_other_options_make_another_key(module: Path, options: Options, reads: list[Path], setting: str) -> None:
    check(options, module)
    check(SETTINGS[setting](options), module)
    assert len(reads) == 2


def test_the_content_of_weights_counts_when_modules_are_run(module: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", (), static=False)
    before = cache.key(module, "")
    weights = module / "variables" / "variables.data-00000-of-00001"
    info = weights.stat()
    weights.write_bytes(bytes(info.st_size))
    os.utime(weights, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert cache.key(module, "") != before


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff\xfe\n{}", b'0\n{"path": 1}'])
def test_a_damaged_entry_is_replaced(module: Path, options: Options, reads: list[Path], damage: bytes) -> None:
    first = check(options, module)
    assert options.cache is not None
    (entry,) = (file for file in options.cache.rglob("*") if file.is_file() and file.name != "key")
    entry.write_bytes(damage)
    assert comparable(check(options, module)) == comparable(first)
    assert len(reads) == 2
    check(options, module)
    assert len(reads) == 2


def test_an_entry_that_is_not_a_report_counts_as_missing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, (), static=True)
    for other in ({"path": "x"}, {"details": None, "findings": ["x"]}, []):
        cache.put("0123", other)  # type: ignore[arg-type]
        assert any(tmp_path.rglob("23"))
        assert cache.get("0123") is None


def test_a_cache_that_cannot_be_written_is_no_error(module: Path, options: Options, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert len(check(replace(options, cache=tmp_path / "file" / "cache"), module)) == 1


def test_reports_keep_their_order_when_some_are_cached(module: Path, options: Options, reads: list[Path]) -> None:
    modules = [Path(shutil.copytree(module, module.parent / f"m{i}")) for i in range(7)]
    check(options, *modules[1::2])
    assert [report.path for report in check(options, *modules)] == [str(path) for path in modules]
    assert sorted(reads) == modules


def test_archives_are_identified_by_their_content(tmp_path: Path, options: Options) -> None:
    archive = packed(tmp_path / "m.tar.gz")
    first, second = check(options, archive), check(options, archive)
    assert comparable(first) == comparable(second)
    assert [report.from_cache for report in (*first, *second)] == [False, True]
    archive.write_bytes(packed(tmp_path / "n.tar.gz", source=DATA / "e_fixed_batch_1").read_bytes())
    (changed,) = check(options, archive)
    assert (changed.verdict, changed.from_cache) == ("violates", False)


def test_a_module_behind_a_link_to_a_folder_is_always_checked(
    module: Path, options: Options, reads: list[Path]
) -> None:
    (module / "variables").rename(module.parent / "store")
    (module / "variables").symlink_to(module.parent / "store")
    check(options, module)
    check(options, module)
    assert len(reads) == 2


@pytest.mark.slow
def test_runs_at_the_same_time_share_a_cache(module: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", str(module)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(4)]
    shown = {process.communicate()[0].rpartition(b" skipped ")[0] for process in running}
    assert len(shown) == 1
    assert {process.returncode for process in running} == {1}
    files = [file for file in (tmp_path / "xdg").rglob("*") if file.is_file() and file.name != "key"]
    assert len(files) == 1
    assert not files[0].name.startswith(".")
