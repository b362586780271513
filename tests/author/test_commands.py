"""The commands `hubcheck adapt` and `hubcheck new`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import hubcheck
from hubcheck.cli.group import cli
from hubcheck.util.errors import UserError
from tests.author.networks import keras_model
from tests.author.test_saved_models import v1_model

ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def hubcheck_command(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hubcheck", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def called(*arguments: object) -> int:
    """Run a command in this process, where TensorFlow is imported already; return its exit code."""
    code: int = cli.main([str(argument) for argument in arguments], standalone_mode=False)
    return code


def test_a_keras_file_is_adapted(tmp_path):
    keras_model(keras, softmax=True).save(tmp_path / "old.keras")
    options = ("--features", "pool", "--logits", "probabilities", "--default", "image_classification", "--pixels=-1,1")
    done = hubcheck_command("adapt", tmp_path / "old.keras", tmp_path / "m", *options, "--package", "--static")
    assert done.returncode == 0, done.stderr
    assert "softmax of the layer 'probabilities' was removed" in done.stdout
    assert f"wrote {tmp_path / 'm'}" in done.stdout and f"wrote {tmp_path / 'm.tar.gz'}" in done.stdout
    assert hubcheck.validate(tmp_path / "m", static=True).exit_code == 0


@pytest.mark.parametrize("format", ["tf2", "tf1-hub"])
def test_a_saved_model_is_adapted(tmp_path, format):
    v1_model(tmp_path / "old", refs=True)
    source = ("adapt", tmp_path / "old", tmp_path / "m")
    assert called(*source, "--logits", "scores", "--pixels", "0,255", "--format", format, "--static") == 0
    assert hubcheck.read(tmp_path / "m").format == {"tf2": "tf2-saved-model"}.get(format, format)


@pytest.mark.parametrize("options", [("--pixels=caffe",), ("--pixels=0,255", "--mean=103.939,116.779,123.68", "--bgr")])
def test_pixels_are_given_by_name_or_by_numbers(tmp_path, options):
    v1_model(tmp_path / "old", refs=False)
    assert called("adapt", tmp_path / "old", tmp_path / "m", "--logits", "scores", "--static", *options) == 0
    note = "scaled to [0, 255], reordered to BGR, normalized by mean 103.939, 116.779, 123.68 for the network"
    assert note in (tmp_path / "m" / "MODULE.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--pixels", "0,255"), "'scores' float32"),
        (("--pixels", "255", "--logits", "scores"), "LOW,HIGH"),
        (("--pixels", "0,1", "--mean", "1,2", "--logits", "scores"), "--mean must be one number, or three"),
        (("--pixels", "255,0", "--logits", "scores"), "(255.0, 0.0)"),
        (("--pixels", "0,1", "--logits", "score"), "did you mean 'scores'"),
        (("--pixels", "0,1", "--logits", "scores", "--classes", "none.txt"), "No such file"),
    ],
)
def test_wrong_arguments_are_explained_in_one_line(tmp_path, arguments, words):
    v1_model(tmp_path / "old", refs=False)
    with pytest.raises(UserError) as caught:
        called("adapt", tmp_path / "old", tmp_path / "m", *arguments)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "m").exists()


def test_an_existing_target_is_kept(tmp_path):
    v1_model(tmp_path / "old", refs=False)
    (tmp_path / "m").mkdir()
    with pytest.raises(UserError, match="--overwrite"):
        called("adapt", tmp_path / "old", tmp_path / "m", "--logits", "scores", "--pixels", "0,1")


def test_a_file_that_is_not_a_model_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    for source in ("notes.txt", "nothing"):
        with pytest.raises(UserError, match=source):
            called("adapt", tmp_path / source, tmp_path / "m", "--logits", "x", "--pixels", "0,1")


def test_wrong_arguments_exit_with_2_and_a_module_that_fails_a_rule_with_1(tmp_path, capsys):
    done = hubcheck_command("adapt", tmp_path / "nothing", tmp_path / "m", "--logits", "x", "--pixels", "0,1")
    assert done.returncode == 2 and "nothing" in done.stderr and "Traceback" not in done.stderr
    dropping = tmp_path / "dropping.keras"
    layers = [keras.layers.GlobalMaxPooling2D(), keras.layers.Dropout(0.5), keras.layers.Flatten(name="flat")]
    keras.Sequential([keras.Input((8, 8, 3)), *layers]).save(dropping)
    assert called("adapt", dropping, tmp_path / "m", "--features", "flat", "--pixels", "0,1", "--static") == 1
    assert "output/no-dropout" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_the_tests_of_a_new_project_pass(tmp_path):
    assert hubcheck_command("new", "my-flowers", cwd=tmp_path).returncode == 0
    project = tmp_path / "my-flowers"
    names = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert names >= {"publish.py", "test_module.py", "labels.txt", "README.md", ".github/workflows/module.yml"}
    assert 'ImageModule("MyFlowers"' in (project / "publish.py").read_text()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_new_project_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for name in ("mine", "1st", "a b"):
        with pytest.raises(UserError, match=name):
            called("new", name)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
