"""Reports hold no control characters, markup or commands of CI services that come from a module, a server or a path."""

from __future__ import annotations

import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hubcheck
from hubcheck.checks.faults import Node, Where
from hubcheck.diff.changes import Agreement, Change, Diff
from hubcheck.engine.findings import Finding, Outcome
from hubcheck.engine.module_report import DeviceRun, ModuleReport, Suppressed, Unchecked
from hubcheck.engine.reports import Summary
from hubcheck.report.diff import RENDERERS
from hubcheck.report.formats import FORMATS, render
from tests.cli.command import forked_hubcheck
from tests.paths import DATA

ATTACKS = (
    "::error::forged",
    "  ::stop-commands::token",
    "##[error]forged",
    "##vso[task.setvariable variable=x]y",
    "##teamcity[buildStatus status='SUCCESS']",
    "\x1b[2J\x1b]0;title\x07",
    "\x1b[31mred",
    "section_start:1:x\r\x1b[0K",
    "a\nb\r\n::warning::c",
    "\u202egnp.exe\u2066\u200b",
    "\u2028::debug::d\x85::debug::e",
    "\ud800\udcff",
    "| a | `b` | \\| c",
    "<script>alert(1)</script><!-- -->",
    "[click](https://example.com) ![x](http://example.com/x.png) @somebody #1 www.example.com",
    "]]></failure><x>",
    "\x00\x7f\x9b31m",
)
TEXT = st.one_of(
    st.sampled_from(ATTACKS),
    st.lists(st.one_of(st.sampled_from(ATTACKS), st.text(st.characters(exclude_categories=())))).map("".join),
)
PATHS = TEXT.map(lambda text: text.encode("utf-8", "surrogatepass").replace(b"\0", b"")).map(os.fsdecode)
DATA_FORMATS = {"json", "jsonl", "sarif", "gitlab"}
COMMAND = re.compile(r"##\w*\[|^\s*::", re.MULTILINE)


@st.composite
def reports(draw: st.DrawFn) -> hubcheck.Report:
    """A report of one module in which everything that a module, a server or a path can choose is arbitrary."""
    node = Node(draw(TEXT), draw(TEXT), draw(st.none() | TEXT))
    where = Where(draw(TEXT), draw(st.none() | TEXT), draw(TEXT), "inputs", draw(TEXT), node)
    finding = Finding(
        "output/width", "error", where, draw(TEXT), draw(TEXT), draw(TEXT), draw(TEXT), "spec", draw(TEXT)
    )
    lesser = Finding("output/dtype", "note", where, draw(TEXT), "", "", "fix", "spec")
    module = ModuleReport(
        path=draw(PATHS),
        key=draw(PATHS),
        format="tf1-hub",
        outcomes=(
            Outcome("output/width", "error", "failed", "static"),
            Outcome("output/dtype", "note", "passed", "static", reason=draw(TEXT)),
            Outcome("output/keys", "error", "broken", reason=draw(TEXT), complete=False),
            Outcome("module/loads", "error", "skipped", reason=draw(TEXT)),
        ),
        findings=(finding, lesser),
        devices=(DeviceRun("cpu", ran=False, reason=draw(TEXT)),),
        protections=(draw(TEXT),),
        suppressed=(Suppressed(finding, "ignore", draw(TEXT)),),
        file=draw(PATHS),
        script=draw(st.none() | PATHS),
        unchecked=(Unchecked("module/loads", "ignore", False, ("module/loads",)),),
    )
    summary = Summary()
    summary.add(module)
    return hubcheck.Report([module], summary, incomplete=draw(TEXT), notices=(draw(TEXT),), project_root="/")


def assert_is_printable(text: str) -> None:
    strange = {char for char in text if not (char.isprintable() or char == "\n")}
    assert not strange, sorted(map(ascii, strange))
    text.encode()


@pytest.mark.parametrize("name", FORMATS)
@given(report=reports())
@settings(max_examples=40, deadline=None)
def test_a_report_is_printable_and_valid_whatever_it_is_about(name: str, report: hubcheck.Report) -> None:
    text = render(report, name)
    assert_is_printable(text)
    match name:
        case "json" | "sarif" | "gitlab":
            json.loads(text)
        case "jsonl":
            assert len([json.loads(line) for line in text.splitlines()]) == 2
        case "junit":
            assert {element.tag for element in ElementTree.fromstring(text).iter()} <= {
                *("testsuites", "properties", "property", "testsuite", "testcase"),
                *("failure", "error", "skipped", "system-out"),
            }
        case "html":
            Tags().feed(text)
    lines = text.splitlines()
    if name == "github":
        assert all(re.match("::(error|warning|notice) ", line) for line in lines)
        assert not re.search(r"##\w*\[", text)
    else:
        assert not COMMAND.search(text)


@given(report=reports())
@settings(max_examples=40, deadline=None)
def test_values_in_documents_for_programs_are_exact(report: hubcheck.Report) -> None:
    (module,) = json.loads(render(report, "json"))["modules"]
    assert module["path"] == report.modules[0].path
    message = report.findings[0].message
    # Two lone surrogates side by side are one character in JSON.
    assert module["findings"][0]["message"] == message.encode("utf-16", "surrogatepass").decode(
        "utf-16", "surrogatepass"
    )


class Tags(HTMLParser):
    """Fails for scripts, links and images that the templates do not have."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") or name == "src" for name, _ in attrs), (tag, attrs)
        links = [value or "" for name, value in attrs if name == "href"]
        assert all(link.startswith("#") for link in links), links
        assert tag not in ("img", "iframe", "object"), tag


@given(report=reports())
@settings(max_examples=60, deadline=None)
def test_markdown_has_no_markup_that_is_not_of_hubcheck(report: hubcheck.Report) -> None:
    text = render(report, "markdown")
    (row,) = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(re.findall(r"(?:[^|\\]|\\.)+", row)) == 4, row
    outside = re.sub(r"`[^`\n]+`", "", re.sub(r"\\[^\w\s]", "", text))
    rest = re.sub(r"</?(details|summary)>", "", outside)
    assert not re.search(r"[<`\[]|://|www\.|[@#]\w", rest), rest


@pytest.mark.parametrize("name", RENDERERS)
@given(texts=st.lists(TEXT, min_size=8, max_size=8), paths=st.tuples(PATHS, PATHS))
@settings(max_examples=40, deadline=None)
def test_a_diff_is_printable(name: str, texts: list[str], paths: tuple[str, str]) -> None:
    agreement = Agreement(texts[4], texts[5], reason=texts[6])
    diff = Diff(*paths, (Change("breaking", *texts[:4]),), (agreement,), texts[7])
    text = re.sub(r"\x1b\[[\d;]*m", "", RENDERERS[name](diff))
    assert_is_printable(text)
    assert not COMMAND.search(text)


NAMES = (b"::error::m", b"##[group]m", b"\x1b[31mm\x1b[2J", b"m\xff\xfe", "m\u202e\u2066é".encode(), b"a\n::warning::b")
LOCALES = (
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252"},
)


@pytest.mark.parametrize("variables", LOCALES, ids=lambda variables: "-".join(variables.values()))
@pytest.mark.parametrize("style", ["text", "json", "github"])
def test_output_is_printable_utf8_for_any_folder_and_locale(tmp_path: Path, variables: dict, style: str) -> None:
    for name in NAMES:
        (tmp_path / os.fsdecode(name)).symlink_to(DATA / "e_fixed_batch_1")
    done = hubcheck_command(tmp_path, variables, "validate", "--static", "--no-cache", "--format", style, *NAMES)
    assert done.returncode == 1, done.stderr
    text = done.stdout.decode()
    assert_is_printable(text)
    if style == "github":
        assert all(re.match("::(error|warning|notice) ", line) for line in text.splitlines())
    else:
        assert not COMMAND.search(text)
    if style == "json":
        assert len(json.loads(text)["modules"]) == len(NAMES)


@pytest.mark.parametrize("command", [("show",), ("validate", "--static"), ("diff", "--static"), ("explain",)])
def test_errors_and_other_commands_print_safe_text(tmp_path: Path, command: tuple[str, ...]) -> None:
    bad = b"\x1b[2J\xff\n::error::x"
    if command == ("show",):
        (tmp_path / os.fsdecode(bad)).symlink_to(DATA / "e_fixed_batch_1")
    arguments = (bad, bad) if command[0] == "diff" else (bad,)
    done = hubcheck_command(tmp_path, LOCALES[0], *command, *arguments)
    text = (done.stdout + done.stderr).decode()
    assert text and done.returncode in (0, 1, 2), text
    assert_is_printable(text)
    assert not COMMAND.search(text)


def test_an_unknown_option_with_control_characters_is_printed_safely(tmp_path: Path) -> None:
    done = hubcheck_command(tmp_path, {}, "validate", "--\x1b[2J\n::error::x", "m")
    assert done.returncode == 2
    assert_is_printable(done.stderr.decode())
    assert not COMMAND.search(done.stderr.decode())


def hubcheck_command(folder: Path, variables: dict, *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    return forked_hubcheck([os.fsdecode(word) for word in arguments], folder, os.environ | variables)
