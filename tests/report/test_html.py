"""The HTML report as text: what it shows, that nothing in it is markup of a module, and that it is small."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.history import Change, History
from hubcheck.engine.reports import summarize
from hubcheck.report.formats import pieces, render
from hubcheck.report.html import source_hashes
from hubcheck.report.page.badge import badge
from tests.report.reports import hostile

pytestmark = pytest.mark.slow


def test_names_of_modules_are_text_and_not_markup(small_page: Path) -> None:
    text = small_page.read_text(encoding="utf-8")
    assert "a &lt;b&gt; &amp; `c`, 100%: | é" in text.replace("<wbr>", "")
    assert "<b>é" not in text and "a <b>" not in text


def test_no_text_of_a_module_becomes_markup(detailed: hubcheck.Report) -> None:
    text = render(hostile(detailed), "html").replace("<wbr>", "")
    assert text.count("<script>") == text.count("</script>") == 1
    assert "<img src=x" not in text
    assert "{{ 7 * 7 }}" in text
    assert text.count("&lt;script&gt;alert(1)") > 30


def test_the_page_comes_in_pieces_no_larger_than_a_module(detailed: hubcheck.Report) -> None:
    one = max(len(piece) for piece in pieces(detailed, "html"))
    modules = [*detailed.modules] * 10
    many = replace(detailed, modules=modules, summary=summarize(modules))
    assert max(len(piece) for piece in pieces(many, "html")) <= one


def test_the_page_names_no_other_file(small_page: Path) -> None:
    """A badge is an image of a service: text to paste, which the page does not load."""
    text = re.sub(r"<code>!\[hubcheck: .*?</code>", "", small_page.read_text(encoding="utf-8").replace("<wbr>", ""))
    assert "http://" not in text
    assert "https://" not in text
    assert 'src="/' not in text


def test_the_page_shows_findings_signatures_values_and_images(small_page: Path, detailed: hubcheck.Report) -> None:
    text = small_page.read_text(encoding="utf-8").replace("<wbr>", "")
    assert text.count("<article") == sum(len(m.findings) + len(m.suppressed) for m in detailed.modules)
    assert "! output/no-dropout: " in text
    assert "<code>image_feature_vector of variant train</code>" in text
    assert 'aria-label="values of image_feature_vector on cpu' in text
    assert text.count("data:image/png;base64,") >= 5
    assert re.search(r"<caption>image_classification</caption><tr><td>class \d</td>", text)


def test_the_policy_of_the_page_has_the_public_hashes(small_page: Path) -> None:
    sources = source_hashes()
    assert sources.keys() == {"style-src", "script-src", "img-src"}
    text = small_page.read_text(encoding="utf-8")
    assert all(f"{kind} {source};" in text for kind, source in sources.items())


def test_a_badge_says_failed_only_of_errors(detailed: hubcheck.Report) -> None:
    texts = {module.key: badge(module).text for module in detailed.modules}
    assert texts["modules/good"] == "passed"
    assert texts["modules/classes"] == "passed, 1 warning"
    assert texts["modules/batch"].startswith("failed, ")
    classes = next(module for module in detailed.modules if module.key == "modules/classes")
    assert badge(replace(classes, fail_on="warning")).text == "1 warning"
    assert badge(replace(classes, devices=())).text == "passed, static, 1 warning"
    some = [replace(o, status="ignored") if o.rule.startswith("device/") else o for o in classes.outcomes]
    counting = sum(outcome.status != "ignored" for outcome in some)
    assert badge(replace(classes, outcomes=tuple(some))).text == f"passed, {counting} of {len(some)} rules, 1 warning"


def test_300_modules_fit_into_a_megabyte(detailed: hubcheck.Report) -> None:
    modules = [replace(m, key=f"models/{n}/{m.key}") for n in range(50) for m in detailed.modules]
    assert len(render(replace(detailed, modules=modules, summary=summarize(modules)), "html").encode()) < 1_000_000


def test_the_page_tells_what_is_new_fixed_and_still_failing(detailed: hubcheck.Report) -> None:
    paths = {module.key: module.path for module in detailed.modules}
    batch, good, dropout = (paths[f"modules/{name}"] for name in ("batch", "good", "dropout"))
    history = History(
        "2026-11-03T01:00:00Z",
        new=(Change(batch, "image-input/batch-size", "error", 1, "2026-11-04T01:00:00Z", 1),),
        fixed=(Change(good, "output/rank", "error", 2, "2026-11-01T01:00:00Z", 2),),
        failing=(Change(dropout, "output/no-dropout", "error", 1, "2026-11-02T01:00:00Z", 2),),
    )
    text = render(replace(detailed, history=history), "html").replace("<wbr>", "")
    assert "since 2026-11-03 01:00 UTC: 1 new, 2 fixed, 1 still failing, the oldest since 2026-11-02 01:00 UTC" in text
    rows = re.findall(r'<h3>(.*?)</h3>\s*<span class="">(.*?)</span>\s*<span class="rules', text)
    shown = {key: re.sub("<.*?>", "", row) for key, row in rows}
    assert shown["modules/batch"] == "1 error, new"
    assert shown["modules/dropout"] == "1 error, since 2026-11-02"
