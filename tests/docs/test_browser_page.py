"""The page that checks modules in the browser: in Chromium, with real drag events, and without a network.

All tests share one page, which is loaded once. The last one closes the browser and reads its log.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hubcheck.report.formats import render
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import modules_at, stream
from tests.docs.browser_page import PATIENCE, Browser, opened_page
from tests.paths import DATA, ROOT
from tests.publishing import scripts
from tests.report.browser import CHROMIUM
from tools.check_page.__main__ import Unavailable, write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.xdist_group("browser_page"),
]

GOOD = DATA / "a_good_feature_vector"
BAD = DATA / "e_fixed_batch_1"
TF2 = DATA / "cases" / "range_in_variables"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs" / "extra", folder, dirs_exist_ok=True)
    try:
        write(folder)
    except Unavailable as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def browser(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    log = tmp_path_factory.mktemp("browser") / "log.json"
    with opened_page(site, log) as browser:
        yield browser


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives of a good module, a large one, and what is no module."""
    folder = tmp_path_factory.mktemp("dropped")
    shutil.make_archive(str(folder / "good"), "zip", GOOD)
    shutil.make_archive(str(folder / "good"), "gztar", GOOD)
    (folder / "noise.bin").write_bytes(os.urandom(1000))
    (folder / "noise.zip").write_bytes(os.urandom(1000))
    (folder / "empty").mkdir()
    shutil.copytree(TF2, folder / "large")
    (shard,) = (folder / "large" / "variables").glob("variables.data-*")
    os.truncate(shard, 300_000_000)
    shutil.make_archive(str(folder / "large"), "zip", folder / "large")
    return folder


def test_folders_and_archives_get_their_verdicts(browser, dropped):
    assert browser.verdicts(GOOD) == [(GOOD.name, "conforms")]
    assert browser.page.inner_text("#verdict") == f"{GOOD.name}: passed, as far as its files show"
    to_run = browser.page.locator("#to-run")
    assert "12 rules need TensorFlow" in to_run.inner_text()
    rules = [link.get_attribute("href") for link in to_run.locator("li a").all()]
    assert len(rules) == 12
    assert "../rules/behaviour/batch-independence.html" in rules
    assert browser.verdicts(BAD) == [(BAD.name, "violates")]
    finding = browser.page.frame_locator("#report").get_by_text("dimension 0 is 1, so only batches of 1 are accepted")
    finding.filter(visible=True).first.wait_for()
    for name in ("good.zip", "good.tar.gz"):
        assert browser.verdicts(dropped / name) == [(name, "conforms")]
    assert browser.verdicts(GOOD, BAD) == [(GOOD.name, "conforms"), (BAD.name, "violates")]
    assert browser.verdicts(*GOOD.iterdir()) == [("module", "conforms")]


def test_garbage_gets_a_sentence(browser, dropped):
    for files, words in {
        (dropped / "noise.bin",): "noise.bin: not a module; give the folder",
        (dropped / "empty",): "There is no file in it.",
        (GOOD / "saved_model.pb",): "Drop the whole folder that saved_model.pb is in",
    }.items():
        browser.drop(*files)
        assert words in browser.status()
        assert not browser.page.is_visible("#result")
    (module,) = browser.checked(dropped / "noise.zip")["modules"]
    assert [finding["rule"] for finding in module["findings"]] == ["module/readable"]


def test_samples_and_buttons_work_like_drops(browser, dropped):
    page = browser.page
    for sample, verdict in (("good", "conforms"), ("bad", "violates")):
        page.click(f"[data-sample='{sample}.zip']")
        browser.status()
        assert browser.saved()["modules"][0]["verdict"] == verdict
    for button, chosen in (("Choose a folder", BAD), ("Choose an archive", dropped / "good.tar.gz")):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=button).click()
        chooser.value.set_files(chosen)
        browser.status()
        assert browser.saved()["modules"][0]["path"] == chosen.name


def test_large_modules_are_checked_without_their_weights(browser, dropped):
    whole = browser.checked(TF2)["modules"][0]
    before = memory_of_children()
    for name in ("large", "large.zip"):
        (module,) = browser.checked(dropped / name)["modules"]
        assert [finding["message"] for finding in module["findings"]] == [f["message"] for f in whole["findings"]]
    assert memory_of_children() - before < 150_000_000


def test_a_check_is_cancelled_and_the_next_one_runs(browser):
    browser.drop(DATA)
    browser.page.get_by_text(re.compile(r"Checked \d+ of")).wait_for(timeout=PATIENCE)
    browser.page.click("#cancel")
    assert browser.status() == "Cancelled."
    assert browser.verdicts(GOOD) == [(GOOD.name, "conforms")]


def test_reports_are_those_of_a_run_without_a_browser(browser, fixture_module, tmp_path, monkeypatch):
    folder = tmp_path / "all"
    shutil.copytree(DATA, folder / "data")
    chosen = [script for script in scripts() if "NEEDS" not in script.constants][::5][:50]
    for script in chosen:
        module = fixture_module(script.id)
        copy = shutil.copytree if module.is_dir() else shutil.copy
        (folder / script.rule).mkdir(parents=True, exist_ok=True)
        copy(module, folder / script.rule / f"{script.path.stem}{''.join(module.suffixes)}")
    found = browser.checked(folder)
    monkeypatch.chdir(tmp_path)
    plan = resolve(Options(static=True, details=True))
    native = json.loads(render(plan.report(tuple(stream(modules_at(["all"], plan), plan))), "json"))
    assert len(native["modules"]) >= 80
    assert len(found["modules"]) == len(native["modules"])
    for here, there in zip(found["modules"], native["modules"], strict=True):
        assert {**here, "elapsed_s": None} == {**there, "elapsed_s": None}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, False), (400, True)])
def test_the_page_is_accessible_and_fits_a_phone(browser, width, dark):
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    page = browser.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.click("[data-sample='bad.zip']")
    browser.status()
    page.evaluate("document.querySelector('#to-run details').open = true")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({ iframes: false }).then((found) => found.violations.map((rule) => rule.help))")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.locator("#report").bounding_box()["width"] <= 1280


def test_nothing_is_requested_once_the_page_has_loaded(browser):
    page = browser.page
    assert browser.told == []
    page.context.set_offline(False)
    attempt = "new Promise((done) => { const r = new XMLHttpRequest(); r.onload = () => done('sent');"
    attempt += f"r.onerror = () => done('refused'); r.open('GET', '{page.url}'); r.send(); }})"
    (worker,) = page.workers
    assert [page.evaluate(attempt), worker.evaluate(attempt)] == ["refused", "refused"]
    assert browser.requested == []
    browser.close()
    events = json.loads(browser.log.read_text(encoding="utf-8"))["events"]
    # The browser's own requests, for updates, have no origin.
    requests = [event["params"] for event in events if "initiator" in event.get("params", {})]
    hosts = {urlsplit(request["url"]).hostname for request in requests if request["initiator"] != "not an origin"}
    assert hosts == {"127.0.0.1"}


def memory_of_children() -> int:
    """The memory of all processes below this one, in bytes, without what files back."""
    parents: dict[int, int] = {}
    memory: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
        except OSError:
            continue
        pid = int(status.parent.name)
        parents[pid], memory[pid] = int(lines["PPid"]), int(lines.get("RssAnon", "0 kB").split()[0]) * 1024

    def is_below(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and parents[pid] != 0 and is_below(parents[pid]))

    return sum(memory[pid] for pid in parents if pid != os.getpid() and is_below(pid))
