"""Reports in Python and in a notebook: short names, the page in a frame, progress, and files."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

import hubcheck
from hubcheck import author
from hubcheck.report.formats import FORMATS, render
from hubcheck.report.notebook import frame
from hubcheck.util.errors import UserError
from tests.paths import DATA, ROOT
from tests.report.reports import HOSTILE, hostile

MODULES = (DATA / "a_good_feature_vector", DATA / "e_fixed_batch_1")
CELLS = (
    "import hubcheck",
    f"report = hubcheck.validate({[str(module) for module in MODULES]}, static=True)",
    "report",
    "report.modules[0]",
    "hubcheck.author.ImageModule('MobileNetV2', image_size=(224, 224), description='<b>')",
)


class Frame(HTMLParser):
    """The attributes of the only element."""

    attributes: dict[str, str | None]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "iframe"
        self.attributes = dict(attrs)


@pytest.mark.slow
def test_a_notebook_shows_the_report_and_the_progress(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    updates: list[str] = []

    class Client(nbclient.NotebookClient):  # type: ignore[misc, name-defined]
        def process_message(self, message, cell, index):  # type: ignore[no-untyped-def]
            if message["msg_type"] in ("display_data", "update_display_data"):
                updates.append(message["content"]["data"]["text/html"])
            return super().process_message(message, cell, index)

    Client(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    run, report, module, definition = (cell.outputs for cell in notebook.cells[1:])
    assert "0 of 2 modules, 0 failed" in updates[0] and 'max="2"' in updates[0]
    (bar,) = run
    assert "2 of 2 modules, 1 failed" in bar["data"]["text/html"]
    assert report[0]["data"]["text/plain"] == "<Report modules=2, conforms=1, violates=1, exit_code=1>"
    assert "1 of 2 modules failed" in page_in(report[0]["data"]["text/html"])
    assert "a_good_feature_vector passed" in page_in(module[0]["data"]["text/html"]).replace("<wbr>", "")
    assert definition[0]["data"]["text/plain"] == "<ImageModule MobileNetV2 224x224: no tasks>"
    assert "&lt;b&gt;" in definition[0]["data"]["text/html"]


def page_in(html: str) -> str:
    found = Frame()
    found.feed(html)
    assert found.attributes["sandbox"] == "allow-scripts"
    return found.attributes["srcdoc"] or ""


def test_outside_of_notebooks_no_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    hubcheck.validate(MODULES, static=True)
    assert capsys.readouterr() == ("", "")


def test_texts_of_modules_stay_in_the_frame(whole: hubcheck.Report) -> None:
    report = hostile(whole)
    assert page_in(frame(report)) == render(report, "html").rstrip("\n")
    assert HOSTILE not in frame(report)


def test_a_report_is_rendered_and_written_by_its_methods(whole: hubcheck.Report, tmp_path: Path) -> None:
    assert whole.to_html() == render(whole, "html")
    assert whole.to_dict() == json.loads(whole.to_json()) == json.loads(render(whole, "json"))
    assert {finding.rule for finding in whole.failures} == {"image-input/batch-size", "output/no-dropout"}
    for name in FORMATS:
        whole.write(tmp_path / "report", format=name)
        assert (tmp_path / "report").read_text(encoding="utf-8") == render(whole, name)
    whole.write(tmp_path / "report.sarif")
    assert json.loads((tmp_path / "report.sarif").read_text())["version"] == "2.1.0"


@pytest.mark.parametrize(("file", "name"), [("report.html", "htm"), ("report", None), ("no/report.html", None)])
def test_a_file_that_cannot_be_written_is_one_sentence(
    whole: hubcheck.Report, tmp_path: Path, file: str, name: str | None
) -> None:
    with pytest.raises(UserError):
        whole.write(tmp_path / file, format=name)
    assert not list(tmp_path.iterdir())


def test_names_in_python_are_short(whole: hubcheck.Report) -> None:
    assert repr(whole) == "<Report modules=6, conforms=3, violates=3, exit_code=1>"
    module = next(module for module in whole.modules if module.key == "modules/batch")
    assert repr(module) == "<ModuleReport 'modules/batch' violates, findings=1>"
    made = author.ImageModule("Net", (32, 24))
    made.feature_vector(lambda images, training: images)
    assert repr(made) == "<ImageModule Net 32x24: image_feature_vector>"
    assert "(images, training)" in made._repr_html_()
    result = author.export.ExportResult(ROOT / "x", {"tf2": ROOT / "x"}, (), (), (whole.failures[0],))
    assert repr(result) == f"<ExportResult '{ROOT / 'x'}' tf2, findings=1>"
    assert whole.failures[0].rule in result._repr_html_()
