"""The examples of authoring and consuming in README.md run."""

from __future__ import annotations

import re
import warnings

import keras

import hubcheck
from hubcheck import author
from tests.author.networks import random_images
from tests.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading: str) -> list[str]:
    """The Python code blocks below a heading."""
    section = re.split(r"^## ", README.split(f"\n## {heading}\n")[1], flags=re.M)[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.M | re.S)


def test_the_examples_of_authoring_and_consuming_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Keras numbers the layers of a process from 0, as in the reader's.
    keras.utils.clear_session()
    names: dict[str, object] = {}
    # AutoGraph reads the source code of functions, so there must be a file.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", author.AuthorWarning)
        for index, code in enumerate([*blocks("Author"), *blocks("Consume")]):
            file = tmp_path / f"example_{index}.py"
            # Checked by their files only: other tests run such modules.
            file.write_text(code.replace('.export("exports', '.export(probe=False, path="exports'), encoding="utf-8")
            names["images"] = random_images(2, 64, 64)
            exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)
    assert names["features"].shape == (2, 16) and names["logits"].shape == (2, 3)
    report = hubcheck.validate(tmp_path / "exports", static=True)
    assert report.exit_code == 0 and not report.findings
    assert {module.path.removeprefix(f"{tmp_path}/exports/") for module in report.modules} >= {
        "tiny/tf2",
        "tiny/tf1-hub",
        "mobilenet_v2",
        "adapted",
    }
