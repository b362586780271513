"""The HTML report in a browser: it works, it loads nothing, and it is accessible."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hubcheck
from hubcheck.report.formats import render
from tests.report.reports import HOSTILE, hostile

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    Open = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def page(browser: Browser, small_page: Path) -> Open:
    """Opens the report."""
    from tests.report.browser import opened

    return lambda report=small_page, **options: opened(browser, report, **options)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_no_text_of_a_module_runs(detailed: hubcheck.Report, browser: Browser, tmp_path: Path, count: int) -> None:
    from tests.report.browser import opened

    (tmp_path / "hostile.html").write_text(render(hostile(detailed, count), "html"), encoding="utf-8")
    dialogs: list[str] = []
    with opened(browser, tmp_path / "hostile.html") as page:
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.reload()
        if count > 1:
            page.locator("details.module > summary").first.click()
            page.locator("details.module > summary").first.click()
        page.wait_for_selector(".module .graph", state="attached")
        page.wait_for_timeout(200)
        scripts = page.locator("script:not([type='text/plain']), style, title")
        assert scripts.count() == 3
        assert page.locator(".module img").count() == min(count, 2) if count < 40 else 1
        assert HOSTILE in (page.locator(".graph").first.text_content() or "")
        assert HOSTILE in (page.locator(".graph").first.get_attribute("aria-label") or "")
    assert dialogs == []


@pytest.mark.parametrize("which", ["small_page", "large_page"])
def test_the_page_loads_nothing_and_logs_no_error(browser: Browser, which: str, request: pytest.FixtureRequest) -> None:
    shown: Path = request.getfixturevalue(which)
    context = browser.new_context()
    page = context.new_page()
    messages: list[str] = []
    urls: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: urls.append(request.url))
    page.goto(shown.as_uri())
    page.locator("details.module > summary >> visible=true").last.click()
    page.wait_for_timeout(300)
    context.close()
    assert messages == []
    assert [url for url in urls if not url.startswith(("data:", "blob:"))] == [shown.as_uri()]


def keys(page: Page) -> list[str]:
    """The modules that are listed, in their order."""
    return page.locator(".module:not([hidden]) h3").all_text_contents()


def test_failures_are_first_and_modules_that_conform_are_folded(page: Open, detailed: hubcheck.Report) -> None:
    with page() as report:
        signs = [
            (sign or "").split()[-1] for sign in report.locator(".sign").evaluate_all("a => a.map(e => e.className)")
        ]
        assert signs == ["bad"] * 3 + ["good"] * 3
        assert report.locator("h1").inner_text() == "✗ 3 of 6 modules failed"
        assert report.locator("details.module[open]").count() == 3
        assert not report.get_by_role("heading", name="modules/good").is_visible()


def test_search_finds_modules_and_rules_and_rules_lead_to_modules(page: Open) -> None:
    with page() as report:
        report.get_by_label("Search").fill("DROP")
        assert keys(report) == ["modules/dropout"]
        assert report.locator("output").inner_text() == "1 of 6 modules"
        report.get_by_label("Search").fill("modules/good")
        good, rules = (report.get_by_role("heading", name=name) for name in ("modules/good", "Findings by rule"))
        assert (good.is_visible(), rules.is_visible()) == (True, False)
        report.get_by_label("Search").fill("")
        assert (good.is_visible(), rules.is_visible()) == (False, True)
        report.get_by_role("link", name="image-input/batch-size").click()
        report.wait_for_function("document.querySelector('input').value == 'image-input/batch-size'")
        assert sorted(keys(report)) == ["modules/a <b> & `c`, 100%: | é", "modules/batch"]


def test_modules_can_be_sorted(page: Open, large_page: Path) -> None:
    with page(large_page) as report:
        by_findings = keys(report)
        report.get_by_label("Sort by").select_option("name")
        by_name = keys(report)
        assert by_name != by_findings and sorted(by_name) == sorted(by_findings)
        assert by_name[:18] == sorted(by_name[:18], key=lambda key: (int(key.partition("/")[0]), key[:14]))
        report.get_by_label("Sort by").select_option("errors")
        assert keys(report) == by_findings


def test_packed_details_are_those_of_the_module(page: Open, large_page: Path, detailed: hubcheck.Report) -> None:
    with page(large_page) as report:
        assert report.locator(".card > *").count() == 0
        report.get_by_label("Search").fill("5/modules/dropout")
        report.locator("details.module:not([hidden]) > summary").click()
        finding = report.locator(".module:not([hidden]) .finding").first
        finding.wait_for()
        assert 'dropout is applied to the output by "dropout"' in finding.inner_text()
        image = report.locator(".module:not([hidden]) img").first
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_a_fix_can_be_copied(browser: Browser, small_page: Path) -> None:
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(small_page.as_uri())
    page.get_by_role("button", name="Copy the fix").first.click()
    page.get_by_text("Copied").wait_for()
    copied, fix = page.evaluate("navigator.clipboard.readText()"), page.locator(".finding .copied").first.inner_text()
    context.close()
    assert copied == fix != ""


@pytest.mark.parametrize(
    ("which", "width", "dark"),
    [
        *(("small_page", width, dark) for width in (400, 1280) for dark in (False, True)),
        ("large_page", 400, False),
        ("large_page", 1280, True),
    ],
)
def test_the_page_is_accessible(page: Open, width: int, dark: bool, which: str, request: pytest.FixtureRequest) -> None:
    """axe: contrast, roles, names, keyboard; and a phone needs no sideways scrolling, and breaks no word."""
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    with page(request.getfixturevalue(which), width=width, dark=dark) as report:
        opened = "details" if which == "small_page" else ".group, .module:first-child"
        report.evaluate(f"document.querySelectorAll({opened!r}).forEach((part) => {{ part.open = true; }})")
        report.wait_for_timeout(200)
        report.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
        violations = report.evaluate(
            "axe.run().then((found) => found.violations.map((rule) =>"
            " `${rule.id}: ${rule.help}: ${rule.nodes.slice(0, 2).map((node) => node.html).join(' | ')}`))"
        )
        assert violations == []
        assert report.evaluate("document.documentElement.scrollWidth") <= width
        assert report.evaluate(BROKEN_WORDS) == []


BROKEN_WORDS = r"""(() => {
  const broken = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    if (!node.parentElement.checkVisibility()) continue;
    for (const word of node.data.matchAll(/(?<!\S)--[\w-]+|\w+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
  return broken;
})()"""
"""The words and options that are on two lines."""


def test_without_its_script_the_page_shows_all(browser: Browser, small_page: Path, detailed: hubcheck.Report) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(small_page.as_uri())
    shown = page.locator(".module[open] .finding").all_inner_texts()
    buttons, form = page.locator(".copy >> visible=true").count(), page.locator("form").is_visible()
    context.close()
    assert len(shown) == sum(len(module.findings) for module in detailed.modules if module.verdict == "violates")
    assert (buttons, form) == (0, False)


def test_the_keyboard_reaches_links_filters_and_groups(page: Open) -> None:
    with page() as report:
        seen = set()
        for _ in range(30):
            report.keyboard.press("Tab")
            seen.add(report.evaluate("document.activeElement.tagName"))
        assert {"A", "INPUT", "SELECT", "SUMMARY", "BUTTON"} <= seen
