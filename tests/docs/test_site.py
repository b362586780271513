"""The documentation site builds without a warning, every rule has its page, and no link within the site is broken."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from hubcheck.rulebook.rules import load_rules
from tests.paths import ROOT
from tests.report.browser import CHROMIUM, chromium, opened

# Links to other hosts cannot be followed without a network, so a new host has to be looked at by a person.
HOSTS = {
    "distributed.dask.org",
    "example.com",
    "filesystem-spec.readthedocs.io",
    "github.com",
    "hypothesis.readthedocs.io",
    "pradyunsg.me",
    "pyodide.org",
    "www.sphinx-doc.org",
}


class Page(HTMLParser):
    """The anchors and the links of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-n", "-W", "--keep-going", "-q", "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_every_rule_has_its_page(site):
    index = (site / "rules" / "index.html").read_text(encoding="utf-8")
    for rule in load_rules().values():
        page = (site / "rules" / f"{rule.id}.html").read_text(encoding="utf-8")
        for section in ("Why", "How to fix it", "Failing examples", "Passing examples", "Configuration"):
            assert f"<h2>{section}<" in page, (rule.id, section)
        assert f'href="{rule.id}.html"' in index


@pytest.mark.slow
def test_no_link_is_broken(site):
    pages = {file: Page(file) for file in site.rglob("*.html")}
    broken = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                if parts.hostname not in HOSTS:
                    broken.append((file.name, f"{link}: a host that is not on the list"))
            elif not parts.scheme:
                target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
                known = pages[target].anchors if target in pages else set()
                if not target.exists() or (parts.fragment and target in pages and parts.fragment not in known):
                    broken.append((file.name, link))
    assert not broken
    assert len(pages) > len(load_rules())


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_pages_are_no_wider_than_a_phone(site):
    """Wide tables and code scroll by themselves."""
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    names = ("index", "guides/ci", "rules/index", "rules/module/callable", "schemas/config", "reference/comparison")
    with chromium() as browser:
        for name in names:
            with opened(browser, site / f"{name}.html", width=400) as page:
                assert page.evaluate(width) <= 0, name
