"""The commands `hubcheck adapt` and `hubcheck new`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

import hubcheck
from hubcheck.cli import adapt
from hubcheck.cli.group import cli
from hubcheck.cli.option_names import in_option_names
from hubcheck.templates.create import installed_origin
from hubcheck.util.errors import UserError
from tests.author.networks import keras_model
from tests.author.test_saved_models import several_inputs, v1_model
from tests.cli.command import here

ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
ORIGIN = "git+https://example.com/hubcheck.git@v1"


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
    words = ["hubcheck", "adapt", str(tmp_path / "old.keras"), str(tmp_path / "m"), *options, "--package", "--static"]
    done = here(words, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\nThe softmax of the layer 'probabilities' was removed" in f"\n{done.stdout}"  # a note, not a warning
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


def test_messages_name_options_of_the_command(tmp_path):
    def message(source, *arguments):
        with pytest.raises(UserError) as caught:
            called("adapt", tmp_path / source, tmp_path / "m", "--pixels=0,1", *arguments)
        return str(caught.value)

    layers = keras.layers
    gray = [keras.Input((8, 8, 1)), layers.GlobalMaxPooling2D(name="pool"), layers.Dense(2, name="top")]
    keras.Sequential(gray).save(tmp_path / "gray.keras")
    keras.Sequential([keras.Input((None, None, 3)), layers.GlobalMaxPooling2D(name="pool")]).save(tmp_path / "any.h5")
    both = ("--features=pool", "--logits=top", "--grayscale")
    assert "with --grayscale the module" in message("gray.keras", "--features=pool")
    assert "--default image_feature_vector or --default image_classification" in message("gray.keras", *both)
    assert "(--features)" in message("gray.keras")
    assert "as --image-size H,W" in message("any.h5", "--features=pool")
    assert "--classes and --activation" in message("gray.keras", "--features=pool", "--activation=x", "--grayscale")


def test_custom_objects_of_a_keras_file_are_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = """
        import keras

        class {name}(keras.layers.Layer):
            def call(self, x):
                return x * 2
    """
    for name in ("Doubled", "Twice"):
        Path(f"my_{name.lower()}.py").write_text(textwrap.dedent(code.format(name=name)))
        scope: dict = {}
        exec(Path(f"my_{name.lower()}.py").read_text(), scope)
        own = [keras.Input((8, 8, 3)), scope[name](), keras.layers.GlobalMaxPooling2D(name="pool")]
        keras.Sequential(own).save(f"{name}.keras")
    options = ("--features=pool", "--pixels=0,1", "--static")
    with pytest.raises(UserError, match=r"by Keras 3.*Doubled.*pass --custom-objects"):
        called("adapt", "Doubled.keras", "m", *options)
    assert called("adapt", "Doubled.keras", "a", *options, "--custom-objects=my_doubled.py") == 0
    assert called("adapt", "Twice.keras", "b", *options, "--custom-objects=my_twice") == 0
    with pytest.raises(UserError, match="cannot be imported from 'none'"):
        called("adapt", "Twice.keras", "c", *options, "--custom-objects=none")


def test_the_complaint_of_the_library_that_wrote_a_file_is_shown(tmp_path):
    tf_keras = pytest.importorskip("tf_keras")

    class Own(tf_keras.layers.Layer):
        def call(self, x):
            return x

    model = tf_keras.Sequential([tf_keras.Input((8, 8, 3)), Own(), tf_keras.layers.GlobalMaxPooling2D()])
    for name in ("old.keras", "old.h5"):
        model.save(tmp_path / name)
        with pytest.raises(UserError, match=r"by Keras 2.*Own"):
            called("adapt", tmp_path / name, tmp_path / "m", "--features=x", "--pixels=0,1")


def test_other_inputs_get_constants(tmp_path):
    source = tmp_path / "old"
    several_inputs(source)
    options = ("--logits", "scores", "--pixels=0,1", "--static", "--constant", "training=false")
    assert called("adapt", source, tmp_path / "m", *options, "--constant", "scale=[2,2,2]") == 0
    with pytest.raises(UserError, match=r"--input.*--constant"):
        called("adapt", source, tmp_path / "n", *options)
    with pytest.raises(UserError, match="in JSON"):
        called("adapt", source, tmp_path / "n", *options, "--constant", "scale")


def test_warnings_of_reference_variables_are_not_printed(tmp_path):
    v1_model(tmp_path / "old", refs=True)
    options = ("--logits", "scores", "--pixels", "0,255", "--static")
    done = hubcheck_command("adapt", tmp_path / "old", tmp_path / "m", *options)
    assert done.returncode == 0 and "reference variable" not in done.stdout + done.stderr


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
    assert hubcheck_command("new", "my-flowers", "--install-from", ORIGIN, cwd=tmp_path).returncode == 0
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
            called("new", name, "--install-from", ORIGIN)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_new_project_installs_hubcheck_from_where_others_can(tmp_path, monkeypatch):
    """Neither by name, which belongs to another project on the public index, nor from a folder of this machine."""
    monkeypatch.chdir(tmp_path)
    assert called("new", "one", "--install-from", ORIGIN) == 0
    assert f"hubcheck[tensorflow] @ {ORIGIN}\n" in Path("one/requirements.txt").read_text()
    for origin in ("hubcheck", "hubcheck==1.0", f"file://{tmp_path}", f"git+file://{tmp_path}", ".", "missing.whl"):
        with pytest.raises(UserError, match="--install-from"):
            called("new", "two", "--install-from", origin)
    done = hubcheck_command("new", "two", cwd=tmp_path)
    assert done.returncode == 2 and "--install-from" in done.stderr, "these tests run from a folder of this machine"
    assert not Path("two").exists()


@pytest.mark.parametrize(
    ("recorded", "origin"),
    [
        ({"url": "https://h/r", "vcs_info": {"vcs": "git", "commit_id": "a1"}}, "git+https://h/r@a1"),
        ({"url": "https://h/hubcheck-1-py3-none-any.whl", "archive_info": {}}, "https://h/hubcheck-1-py3-none-any.whl"),
        ({"url": "file:///h/r", "dir_info": {"editable": True}}, None),
        ({"url": "file:///h/r", "vcs_info": {"vcs": "git", "commit_id": "a1"}}, None),
        (None, None),
    ],
)
def test_the_origin_of_an_installation_is_used_if_it_is_a_url(monkeypatch, recorded, origin):
    distribution = SimpleNamespace(read_text=lambda name: recorded and json.dumps(recorded))
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: distribution)
    assert installed_origin() == origin


def test_tuples_of_numbers_in_messages_are_values_of_options():
    text = "pass pixels=(0, 255); image_size=(height, width) is fixed"
    assert in_option_names(text, adapt.command) == "pass --pixels 0,255; --image-size H,W is fixed"
