"""The HTML report, also in a browser: it works, it loads nothing, and it is accessible."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hubcheck
from hubcheck.checks.faults import Node, Where
from hubcheck.engine.details import DiagramStep, Histogram, InputImage, ModuleDetails, SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.engine.reports import summarize
from hubcheck.report.formats import pieces, render
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import modules_at, stream
from tests.report.reports import project

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    Open = Callable[..., AbstractContextManager[Page]]

HOSTILE = """</title></style></script>"'><script>alert(1)</script>{{ 7 * 7 }}<img src=x onerror=alert(2)>"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> hubcheck.Report:
    """A report with details of a run."""
    from hubcheck.config.file import read_config

    folder = project(tmp_path_factory.mktemp("project"))
    plan = resolve(Options(details=True, config=read_config(folder / "hubcheck.toml")))
    return plan.report(stream(modules_at([folder / "modules"], plan), plan))


@pytest.fixture(scope="module")
def file(whole: hubcheck.Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(render(whole, "html"), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Browser, file: Path) -> Open:
    """Opens the report."""
    from tests.report.browser import opened

    return lambda **options: opened(browser, file, **options)


def hostile(whole: hubcheck.Report) -> hubcheck.Report:
    """A report in which every text that a module can choose is markup."""
    where = Where(HOSTILE, None, HOSTILE, "inputs", HOSTILE, Node(HOSTILE, HOSTILE, HOSTILE))
    module = next(module for module in whole.modules if module.suppressed)
    finding = Finding("some/rule", "error", where, *(HOSTILE,) * 4, "")
    step = DiagramStep(0, HOSTILE, HOSTILE, HOSTILE, (HOSTILE, finding.brief), (HOSTILE,))
    tensors = ((HOSTILE, HOSTILE),)
    details = ModuleDetails(
        (SignatureDetails(HOSTILE, HOSTILE, None, tensors, tensors, (step,)),),
        (Histogram(HOSTILE, HOSTILE, 0.0, 1.0, (1, 2), 0.5),),
        (InputImage(HOSTILE, b""),),
    )
    modules = [
        replace(
            module,
            path=f"/{HOSTILE}",
            key=HOSTILE,
            findings=(finding,),
            suppressed=tuple(replace(item, reason=HOSTILE) for item in module.suppressed),
            outcomes=tuple(replace(outcome, reason=HOSTILE) for outcome in module.outcomes),
            devices=tuple(replace(device, ran=False, reason=HOSTILE) for device in module.devices),
            details=details,
        )
    ] * 2
    return replace(whole, modules=modules, summary=summarize(modules), notices=(HOSTILE,), incomplete=HOSTILE)


def test_names_of_modules_are_text_and_not_markup(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "a &lt;b&gt; &amp; `c`, 100%: | é" in text
    assert "<b>" not in text


def test_no_text_of_a_module_becomes_markup(whole: hubcheck.Report) -> None:
    text = render(hostile(whole), "html")
    assert text.count("<script>") == text.count("</script>") == 1
    assert "<img src=x" not in text
    assert "{{ 7 * 7 }}" in text
    assert text.count("&lt;script&gt;alert(1)") > 30


def test_no_text_of_a_module_runs(whole: hubcheck.Report, browser: Browser, tmp_path: Path) -> None:
    from tests.report.browser import opened

    (tmp_path / "hostile.html").write_text(render(hostile(whole), "html"), encoding="utf-8")
    dialogs: list[str] = []
    with opened(browser, tmp_path / "hostile.html") as page:
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.reload()
        page.wait_for_timeout(200)
        assert page.locator("script, style, title").count() == 3 + page.locator("svg title").count()
        assert page.locator("img").count() == 2
        assert HOSTILE in page.locator("svg desc").first.inner_html().replace("&lt;", "<").replace("&gt;", ">")
    assert dialogs == []


def test_the_page_comes_in_pieces_no_larger_than_a_module(whole: hubcheck.Report) -> None:
    one = max(len(piece) for piece in pieces(whole, "html"))
    many = replace(whole, modules=[*whole.modules] * 10)
    assert max(len(piece) for piece in pieces(many, "html")) == one


def test_the_page_names_no_other_file(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    assert 'src="/' not in text


def test_the_page_shows_findings_signatures_values_and_images(file: Path, whole: hubcheck.Report) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("<article") == sum(len(m.findings) + len(m.suppressed) for m in whole.modules)
    assert "! output/no-dropout: " in text
    assert "Data path of image_feature_vector of variant train" in text
    assert 'aria-label="values of image_feature_vector on cpu' in text
    assert text.count("data:image/png;base64,") >= 5


def test_the_page_loads_nothing_and_logs_no_error(browser: Browser, file: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    messages: list[str] = []
    urls: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: urls.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_timeout(300)
    context.close()
    assert messages == []
    assert [url for url in urls if not url.startswith("data:")] == [file.as_uri()]


def shown(page: Page, status: str) -> int:
    return page.locator(f"li[data-status={status}]:not([hidden])").count()


def test_the_filter_shows_rules_by_status_and_by_text(page: Open, whole: hubcheck.Report) -> None:
    with page() as report:
        passed, skipped = (sum(module.count(s) for module in whole.modules) for s in ("passed", "skipped"))
        assert shown(report, "passed") == passed
        report.get_by_role("checkbox", name="passed").uncheck()
        assert shown(report, "passed") == 0
        assert shown(report, "skipped") == skipped
        report.get_by_role("checkbox", name="passed").check()
        report.get_by_label("Search").fill("IMAGE-INPUT/dtype")
        assert shown(report, "passed") == len(whole.modules)
        assert report.locator("#shown").text_content() == f"{len(whole.modules)} rules shown"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_the_page_is_accessible(page: Open, width: int, dark: bool) -> None:
    """axe: contrast, roles, names, keyboard; and a phone needs no sideways scrolling."""
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    with page(width=width, dark=dark) as report:
        report.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        report.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
        violations = report.evaluate(
            "axe.run().then((found) => found.violations.map((rule) =>"
            " `${rule.id}: ${rule.help}: ${rule.nodes.slice(0, 2).map((node) => node.html).join(' | ')}`))"
        )
        assert violations == []
        assert report.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_links_filters_and_groups(page: Open) -> None:
    with page() as report:
        seen = set()
        for _ in range(30):
            report.keyboard.press("Tab")
            seen.add(report.evaluate("document.activeElement.tagName"))
        assert {"A", "INPUT", "SUMMARY"} <= seen
