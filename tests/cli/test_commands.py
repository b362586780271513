"""The other commands, and their help."""

from __future__ import annotations

import click
import pytest

from tests.cli.command import hubcheck
from tests.paths import DATA


def test_show_needs_no_tensorflow_and_tells_the_signatures():
    done = hubcheck("show", DATA / "b_good_classification")
    assert done.returncode == 0
    for text in ("TF1 Hub format", "32 x 24 pixels", "image_classification", "float32 [?, 10]", "Arch/layer_1"):
        assert text in done.stdout


def test_the_graph_of_a_signature_is_outlined_with_what_was_found_on_it():
    done = hubcheck("show", "--graph", "image_feature_vector", DATA / "c_dropout_on_features_train")
    assert done.returncode == 0
    inference, train = done.stdout.split("variant {train}")
    for text in ("conv1/Conv2D", "[?, 16, 12, 8]", '-> "default"'):
        assert text in inference
    assert "! output/no-dropout" in train
    assert "!" not in inference
    missing = hubcheck("show", "--graph", "nothing", DATA / "c_dropout_on_features_train")
    assert missing.returncode == 2
    assert "its signatures are default, image_feature_vector" in missing.stderr


@pytest.mark.parametrize("command", ["validate", "show", "explain", "rules", "diff", "replay", "adapt", "new"])
def test_every_command_has_help_with_an_example(command):
    done = hubcheck(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert done.stdout.count(f"hubcheck {command}") >= 2, "besides the usage, an example"


def test_help_names_every_command():
    from hubcheck.cli.group import cli

    shown = hubcheck("--help").stdout
    for command in cli.list_commands(click.Context(cli)):
        assert f" {command} " in shown, command
    assert " command " not in shown


def test_signatures_of_the_configuration_are_known_to_every_command(tmp_path):
    rules = tmp_path / "house" / "house"
    rules.mkdir(parents=True)
    (rules / "ten.toml").write_text(
        'id = "house/ten"\ntitle = "Ten of them"\nlevel = "note"\ncheck = "tensors:dimension"\nmessage = "m"\n'
        'params = { side = "outputs", key = "default", axis = 1 }\n'
        'why = "w"\nfix = "f"\nsource = { section = "s", requirement = "r" }\n'
    )
    (tmp_path / "hubcheck.toml").write_text('rules = ["house"]\n')
    for arguments in (["explain", "house/ten"], ["rules"]):
        done = hubcheck(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Ten of them" in done.stdout
    assert hubcheck("rules", "--rules", tmp_path / "nowhere").returncode == 2
