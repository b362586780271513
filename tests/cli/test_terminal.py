"""What a terminal shows: one line for a module that conforms, colours, and the end of a run."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import click
import pytest

from hubcheck import validate
from hubcheck.report.run_text import TextReport
from hubcheck.report.text import module_lines
from hubcheck.report.text_lines import TextStyle, differences, wrapped
from tests.cli.command import BATCH_OF_1, GOOD, hubcheck
from tests.cli.test_output import in_a_terminal
from tests.paths import DATA

OWN_KEY = (b"Arch/layer_1", b"Arch.layer_1")
"""What makes a warning of output/key-prefix, the only finding, of a module that conforms."""


def with_warning(folder: Path) -> Path:
    module = Path(shutil.copytree(DATA / "b_good_classification", folder))
    file = module / "saved_model.pb"
    file.write_bytes(file.read_bytes().replace(*OWN_KEY))
    return module


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve modules, of which ten conform, one of them with a warning."""
    folder = tmp_path_factory.mktemp("hub")
    for number in range(9):
        shutil.copytree(GOOD, folder / f"good{number}")
    with_warning(folder / "warned")
    for name in ("bad0", "bad1"):
        shutil.copytree(BATCH_OF_1, folder / name)
    return folder


def test_a_module_that_conforms_is_one_line(hub):
    lines = hubcheck("validate", "--static", hub).stdout.splitlines()
    for name in [*(f"good{number}" for number in range(9)), "warned"]:
        (line,) = [line for line in lines if line.endswith(" s") and f"{name}  " in line]
        assert re.fullmatch(rf"✓ \S+{name}  \d+ passed, .*\d+ skipped  \S+ s", line), line
        assert "failed" not in line
    assert any("1 with warnings" in line for line in lines if "warned" in line)
    assert sum("output/key-prefix" in line for line in lines) == 1, "in the table of rules alone"


def test_quiet_shows_only_what_fails(hub):
    done = hubcheck("validate", "--static", "--quiet", hub)
    assert done.returncode == 1
    assert "good" not in done.stdout and "warned" not in done.stdout
    assert done.stdout.count("error image-input/batch-size") == 2
    assert "\nskipped" not in done.stdout
    assert hubcheck("validate", "--static", "--quiet", GOOD).stdout == ""


def test_rules_that_are_not_selected_are_not_called_ignored():
    text = hubcheck("validate", "--static", "--select", "image-input", GOOD).stdout
    assert re.search(r"  9 passed, 0 skipped, \d\d not selected  ", text)


def test_lines_are_broken_between_words_and_never_in_a_path():
    path = "exports/" + "a" * 60
    assert wrapped(f"no module at {path}; remove it", 40) == ["no module at", f"{path};", "remove it"]
    report = validate(GOOD, static=True, config=None)
    report = replace(report, notices=(f"no module at {path}; remove it",))
    for wraps, number in ((True, 3), (False, 1)):
        lines = TextReport(module_lines, TextStyle(width=40, wraps=wraps)).last_lines(report)
        assert sum("no module" in line or path in line or "remove it" in line for line in lines) == number


def test_verbose_shows_warnings_and_skipped_rules_of_each_module(hub):
    text = hubcheck("validate", "--static", "--verbose", hub / "good0", hub / "warned").stdout
    assert "warning output/key-prefix" in text
    assert text.count("module/callable: only a TF2 SavedModel restores an object") == 2
    assert hubcheck("validate", "--verbose", "--quiet", GOOD).returncode == 2


def test_one_module_alone_shows_its_warnings(hub):
    assert "warning output/key-prefix" in hubcheck("validate", "--static", hub / "warned").stdout


@pytest.mark.parametrize("style", ["text", "concise", "markdown", "github", "html", "junit", "sarif"])
def test_warnings_are_never_counted_as_failed(style, hub):
    text = hubcheck("validate", "--static", "--format", style, hub / "warned").stdout
    assert "1 with warnings" in text or style == "concise" or (style == "github" and "1 warning" in text)
    assert not re.search(r"[1-9]\d* failed", text)


def test_concise_is_one_line_per_finding(hub):
    done = hubcheck("validate", "--static", "--format", "concise", "--quiet", hub)
    paths = "|".join(str(hub / name) for name in ("bad0", "bad1"))
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(re.fullmatch(rf"({paths}): error image-input/batch-size: dimension 0 is 1, .+", line) for line in lines)


def test_statistics_count_the_findings_by_rule_and_leave_the_modules_out(hub):
    text = hubcheck("validate", "--static", "--statistics", hub).stdout
    assert re.search(r"^ +2 +2  error image-input/batch-size$", text, re.M)
    assert re.search(r"^ +1 +1  warning output/key-prefix$", text, re.M)
    assert str(hub) not in text
    assert hubcheck("validate", "--static", "--statistics", "--format", "json", GOOD).returncode == 2


def test_the_end_of_a_run_names_what_is_new_suppressed_and_cached_and_what_was_written(hub, tmp_path):
    hub, known = shutil.copytree(hub, tmp_path / "hub"), tmp_path / "known.json"
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    hubcheck("validate", "--static", hub / "bad0", "--baseline", known, "--update-baseline", **environment)
    report = tmp_path / "report.json"
    arguments = ("validate", "--static", hub, "--baseline", known, "--output", report)
    text = hubcheck(*arguments, **environment).stdout
    assert "12 modules: 11 passed, 1 failed; 1 error, 1 warning" in text
    assert "suppressed 1 finding: 1 known" in text
    assert re.search(r"bad0  \d+ passed, \d+ skipped, 1 known  ", text)
    assert "baseline   known.json: 3 new findings, 1 known" in text
    assert f"written    {report}" in text.replace("\n           ", "")
    assert text.splitlines()[-1] == "next       hubcheck explain image-input/batch-size"
    summary = json.loads(report.read_text())["summary"]
    assert [summary[key] for key in ("modules", "conform", "violate", "suppressed", "cached")] == [12, 11, 1, 1, 0]
    hubcheck("validate", "--static", hub, "--baseline", known, "--update-baseline", **environment)
    text = hubcheck(*arguments, **environment).stdout
    assert "12 modules (12 cached): 12 passed; no new findings" in text
    assert "suppressed 4 findings: 4 known" in text


@pytest.mark.parametrize(
    ("options", "environment", "coloured"),
    [
        ([], {}, False),
        (["--color", "always"], {}, True),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
    ],
)
def test_the_option_and_then_the_environment_decide_about_colour(options, environment, coloured):
    environment = {"NO_COLOR": "", "FORCE_COLOR": "", **environment}
    text = hubcheck("validate", "--static", BATCH_OF_1, *options, **environment).stdout
    assert ("\x1b[" in text) is coloured
    if coloured:
        assert "float32 [\x1b[31m\x1b[1m1\x1b[0m, 32, 24, 3]" in text, "the dimension that differs is highlighted"
        assert "float32 [\x1b[32m\x1b[1m?\x1b[0m, 32, 24, 3]" in text


def test_a_terminal_without_unicode_gets_plain_letters():
    screen = in_a_terminal("validate", "--static", str(GOOD), str(BATCH_OF_1), PYTHONIOENCODING="ascii")
    assert screen.isascii()
    assert re.search(r"ok\x1b\[\S* \S*a_good", screen)
    assert "image_feature_vector - inputs" in screen
    screen = in_a_terminal("validate", "--static", str(GOOD), str(BATCH_OF_1), PYTHONIOENCODING="utf-8")
    assert "✓" in screen and "✗" in screen and "image_feature_vector · inputs" in screen


@pytest.mark.parametrize(
    ("found", "wanted", "marked"),
    [
        ("float32 [1, 32, 24, 3]", "float32 [?, 32, 24, 3]", ("1", "?")),
        ("float64 [?, 8, 8, 1]", "float32 [?, 8, 8, 3]", ("float64", "1", "float32", "3")),
        ("float32 [?, 1, 1, 1280]", "float32 [?, 1280]", ("1", "1")),
        ("keras_tensor", "images", ("keras_tensor", "images")),
        ("softmax (Softmax) with a mask", "linear scores", ()),
        ("", "float32 [?, 8]", ()),
    ],
)
def test_what_differs_between_found_and_wanted_is_marked(found, wanted, marked):
    styled = differences(found, wanted)
    assert tuple(map(click.unstyle, styled)) == (found, wanted)
    assert tuple(re.findall(r"\x1b\[3\dm\x1b\[1m(.+?)\x1b\[0m", "".join(styled))) == marked
