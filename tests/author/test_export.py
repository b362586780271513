"""Exports are atomic: a module that does not conform is not written, and an existing one is replaced completely."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import time
import warnings
from pathlib import Path

import pytest
import tensorflow as tf

import hubcheck
from hubcheck import author
from hubcheck.author.writers import tf2_saved_model
from tests.author.networks import HEIGHT, WIDTH, Net, plain_module, random_images

SCRIPT = """
import sys
from pathlib import Path
from tests.author.networks import plain_module
folder = Path(sys.argv[1])
def export(name, seed):
    plain_module(seed)[0].export(folder / name, default="image_feature_vector", overwrite=True, package=True,
                                 probe=False, format=("tf2", "tf1-hub"))
export("same", 1)
export("m", 1)
print("ready", flush=True)
while True:
    export("m", 2)
"""


def dropout_module() -> author.ImageModule:
    net = Net()
    module = author.ImageModule("Dropped", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images, training):
        x = tf.reduce_mean(net.convolved(images), [1, 2])
        return tf.nn.dropout(x, 0.5) if training else x

    return module


def module_without_gradient() -> author.ImageModule:
    net = Net()
    module = author.ImageModule("Frozen", (HEIGHT, WIDTH))

    @module.feature_vector
    def features(images, training):
        x = tf.reduce_mean(net.convolved(images), [1, 2])
        return tf.raw_ops.PreventGradient(input=x, message="frozen") if training else x

    return module


def names(folder: Path) -> list[str]:
    return sorted(child.name for child in folder.iterdir())


def fingerprint(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("format", ["tf2", "tf1-hub"])
def test_a_module_that_fails_a_rule_is_not_written(tmp_path, format):
    with pytest.raises(author.ConformanceError) as caught:
        dropout_module().export(tmp_path / "m", format=format, probe=False)
    assert {finding.rule for finding in caught.value.findings} == {"output/no-dropout"}
    assert "output/no-dropout" in str(caught.value) and str(tmp_path / "m") in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("format", "probe"), [("tf2", False), ("tf2", True), ("tf1-hub", True)])
def test_a_module_that_cannot_be_differentiated_is_not_written(tmp_path, format, probe):
    with pytest.raises(author.ConformanceError) as caught:
        module_without_gradient().export(tmp_path / "m", format=format, probe=probe)
    assert {finding.rule for finding in caught.value.findings} == {"module/trainable"}
    assert not list(tmp_path.iterdir())


def test_a_module_that_fails_a_rule_keeps_the_old_one(tmp_path):
    plain_module()[0].export(tmp_path / "m", default="image_feature_vector", probe=False)
    before = fingerprint(tmp_path)
    with pytest.raises(author.ConformanceError):
        dropout_module().export(tmp_path / "m", overwrite=True, probe=False)
    assert fingerprint(tmp_path) == before


def test_an_existing_target_is_refused(tmp_path):
    module, _ = plain_module()
    module.export(tmp_path / "m", default="image_feature_vector", probe=False)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        module.export(tmp_path / "m", default="image_feature_vector", probe=False)


def test_overwrite_replaces_modules_only(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        plain_module()[0].export(tmp_path / "project", default="image_feature_vector", overwrite=True, probe=False)
    assert names(tmp_path / "project") == ["thesis.tex"]


def test_overwrite_replaces_the_whole_module(tmp_path):
    module, _ = plain_module()
    module.export(tmp_path / "m", default="image_feature_vector", format=("tf2", "tf1-hub"), probe=False)
    module.export(tmp_path / "m", default="image_classification", overwrite=True, probe=False)
    assert names(tmp_path) == ["m"]
    assert names(tmp_path / "m") == ["MODULE.md", "assets", "fingerprint.pb", "saved_model.pb", "variables"]


def test_an_error_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf2_saved_model, "write", fail)
    with pytest.raises(OSError, match="No space"):
        plain_module()[0].export(tmp_path / "a" / "m", default="image_feature_vector", probe=False)
    assert not list(tmp_path.iterdir())


def test_killed_processes_leave_complete_modules_and_the_same_module_has_the_same_bytes(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    folders = [tmp_path / "a", tmp_path / "b"]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for folder in folders
    ]
    for process, delay in zip(started, (0.2, 0.5), strict=True):
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.kill()
        process.wait()
        process.stdout.close()
    assert fingerprint(folders[0] / "same") == fingerprint(folders[1] / "same")
    for folder in folders:
        assert hubcheck.validate(folder / "m", static=True).exit_code == 0
        plain_module(3)[0].export(folder / "m", default="image_feature_vector", overwrite=True, probe=False)
        left = [name for name in names(folder) if ".hubcheck-" in name]
        assert not left, "the next export removes what a killed one left"


def test_an_archive_contains_only_the_module_at_its_root(tmp_path):
    made = plain_module()[0].export(tmp_path / "m", default="image_feature_vector", package=True, probe=False)
    assert made.archives == (tmp_path / "m.tar.gz",)
    with tarfile.open(tmp_path / "m.tar.gz") as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [
        "assets",
        "assets/labels.txt",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {(0, 0, "", 0)}


def test_what_is_exported_conforms_when_it_is_run(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", author.AuthorWarning)
        made = plain_module()[0].export(tmp_path / "m", default="image_classification", format=("tf2", "tf1-hub"))
    assert made.findings == ()


def test_the_documentation_contains_what_consumers_need(tmp_path):
    module, _ = plain_module()
    module.note("Trained on nothing.")
    module.export(tmp_path / "m", default="image_feature_vector", format=("tf2", "tf1-hub"), probe=False)
    text = (tmp_path / "m" / "MODULE.md").read_text()
    for words in (
        "[batch, 12, 16, 3]",
        "| `image_feature_vector` |",
        "**softmax**",
        "0. cat",
        "`Tiny/conv`",
        "Trained on nothing",
    ):
        assert words in text
    for block in text.split("```python\n")[1:]:
        code = block.split("```")[0].replace("path/to/module", str(tmp_path / "m" / "tf2"))
        if "tensorflow_hub" not in code:
            exec(code, {"images": random_images()})
