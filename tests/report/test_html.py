"""The HTML report, in a browser: it works, it loads nothing, and everybody can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

import hubcheck
from hubcheck.report.formats import render
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import modules_at, stream
from tests.report.browser import CHROMIUM, Page, page
from tests.report.reports import project

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> hubcheck.Report:
    """A report with exhibits of a run."""
    from hubcheck.config.file import read_config

    folder = project(tmp_path_factory.mktemp("project"))
    plan = resolve(Options(details=True, config=read_config(folder / "hubcheck.toml")))
    return plan.report(stream(modules_at([folder / "modules"], plan), plan))


@pytest.fixture(scope="module")
def file(whole: hubcheck.Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(render(whole, "html"), encoding="utf-8")
    return path


def test_what_modules_are_called_is_text_and_no_markup(file):
    text = file.read_text(encoding="utf-8")
    assert "a &lt;b&gt; &amp; `c`, 100%: | é" in text
    assert "<b>" not in text


def test_the_page_names_no_other_file(file):
    text = file.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    assert 'src="/' not in text


def test_the_page_shows_findings_signatures_values_and_pictures(file, whole):
    text = file.read_text(encoding="utf-8")
    assert text.count("<article") == sum(len(m.findings) + len(m.suppressed) for m in whole.modules)
    assert "! output/no-dropout: dropout applies dropout to the output (rate 0.5)" in text
    assert "Path of image_feature_vector of variant train" in text
    assert 'aria-label="values of image_feature_vector on cpu' in text
    assert text.count("data:image/png;base64,") >= 5


@in_browser
def test_the_page_loads_nothing_and_tells_no_error(file, tmp_path):
    with page(file, tmp_path) as shown:
        shown.evaluate("new Promise((done) => setTimeout(done, 300))")
        assert shown.told("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled") == []
        urls = [event["request"]["url"] for event in shown.told("Network.requestWillBeSent")]
        assert [url for url in urls if not url.startswith(("file:", "data:"))] == []
        assert len([url for url in urls if url.startswith("file:")]) == 1


def count(shown: Page, status: str) -> int:
    return shown.evaluate(f"document.querySelectorAll('li[data-status={status}]:not([hidden])').length")


@in_browser
def test_the_filter_shows_rules_by_status_and_by_words(file, tmp_path, whole):
    with page(file, tmp_path) as shown:
        passed = sum(module.count("passed") for module in whole.modules)
        assert count(shown, "passed") == passed
        shown.evaluate("document.querySelector('input[value=passed]').click()")
        assert count(shown, "passed") == 0
        assert count(shown, "skipped") == sum(module.count("skipped") for module in whole.modules)
        shown.evaluate("document.querySelector('input[value=passed]').click()")
        shown.evaluate(
            "(() => { const box = document.querySelector('input[type=search]'); box.value = 'IMAGE-INPUT/dtype';"
            " box.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
        assert count(shown, "passed") == len(whole.modules)
        assert shown.evaluate("document.getElementById('shown').textContent") == f"{len(whole.modules)} rules shown"


@in_browser
@pytest.mark.parametrize(("width", "dark"), [(1000, False), (1000, True), (360, False)])
def test_everybody_can_read_it(file, tmp_path, width, dark):
    """axe: contrast, roles, names, keyboard; and no sideways scrolling on a phone."""
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    with page(file, tmp_path, width=width, dark=dark) as shown:
        shown.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        shown.call("Runtime.evaluate", expression=script)
        broken = shown.evaluate(
            "axe.run().then((found) => found.violations.map((rule) =>"
            " `${rule.id}: ${rule.help}: ${rule.nodes.slice(0, 2).map((node) => node.html).join(' | ')}`))"
        )
        assert broken == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        shown.screenshot(tmp_path / "shot.png")
        assert (tmp_path / "shot.png").stat().st_size > 10_000


@in_browser
def test_a_keyboard_reaches_everything_that_can_be_opened(file, tmp_path):
    with page(file, tmp_path) as shown:
        seen = set()
        for _ in range(30):
            for kind in ("keyDown", "keyUp"):
                shown.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
            seen.add(shown.evaluate("document.activeElement.tagName"))
        assert {"A", "INPUT", "SUMMARY"} <= seen
