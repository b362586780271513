"""classification/documentation asks for what is missing, and for nothing else."""

from __future__ import annotations

import shutil

import pytest

import hubcheck

ACTIVATION = "Apply softmax to the logits."
CLASSES = "The class indices are those of ImageNet."


@pytest.mark.parametrize(
    ("module_md", "readme", "lacking"),
    [
        (None, None, ["activation", "classes"]),
        ("A network.", None, ["activation", "classes"]),
        (ACTIVATION, None, ["classes"]),
        (CLASSES, None, ["activation"]),
        (ACTIVATION, "A network.", ["classes"]),
        (ACTIVATION, CLASSES, []),
        (f"{ACTIVATION} {CLASSES}", None, []),
        ("Logits of a softmax over the 1,000 ILSVRC-2012-CLS classes.", None, []),
        ("A sigmoid for each of the CIFAR10 categories.", None, []),
        ("Softmax. Categories: circle, square.", None, []),
    ],
)
def test_a_finding_names_what_the_documents_lack(module_md, readme, lacking, tmp_path, fixture_module):
    path = tmp_path / "m" / "module"
    shutil.copytree(fixture_module("classification/documentation/bad_silent"), path)
    (path / "README.md").unlink()
    for name, text in {"MODULE.md": module_md, "README.md": readme}.items():
        if text is not None:
            (path / name).write_text(text, encoding="utf-8")
    report = hubcheck.validate(path, static=True, select=["classification/documentation"]).modules[0]
    findings = [finding for finding in report.findings if finding.rule == "classification/documentation"]
    said = [word for finding in findings for word in ("activation", "classes") if word in finding.wanted]
    assert said == lacking
    if len(lacking) == 1:
        assert "MODULE.md" in findings[0].fix
        assert ("softmax" in findings[0].fix) == (lacking == ["activation"])
