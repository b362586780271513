"""hubcheck explain: the reason of a rule, scripts that pass it, and how failing scripts differ from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hubcheck.cli.group import cli
from hubcheck.rulebook.examples import Example, counterpart, examples
from hubcheck.rulebook.rules import load_rules

RULES = list(load_rules())


def explained(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["explain", *arguments])


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained_with_all_its_examples(rule: str) -> None:
    done = explained(rule)
    assert done.exit_code == 0, done.output
    for example in examples(rule):
        assert f"{example.name}: {example.title}" in done.output
        if example.good:
            assert example.code.rstrip() in done.output
    for label in ("why", "fix", "spec"):
        assert f"\n  {label} " in done.output


def test_a_failing_script_is_shown_as_the_difference_to_a_passing_one() -> None:
    text = explained("output/width").output
    assert "\n--- bad.py\n+++ good.py\n@@" in text
    assert "\n-        return tf.reshape(x, [tf.shape(x)[0], tf.reduce_prod(tf.shape(x)[1:])])\n" in text
    assert "\n+        return tf.reshape(x, [tf.shape(x)[0], 12 * 16 * FEATURES])\n" in text
    assert text.count("def publish") == 1


def test_a_form_is_compared_with_the_good_script_of_the_same_form() -> None:
    text = explained("output/no-dropout").output
    for pair in ("bad_hub.py\n+++ good_hub.py", "bad_mask.py\n+++ good.py", "bad_keras_spatial.py\n+++ good_keras.py"):
        assert f"--- {pair}" in text
    assert text.count("def publish") == 4
    goods = ("good", "good_tf1", "good_tf1_deep")
    found = [counterpart(bad, goods) for bad in ("bad", "bad_tf1", "bad_tf1_deep_x", "bad_tf12")]
    assert found == ["good", "good_tf1", "good_tf1_deep", "good"]
    assert counterpart("bad", ["good_tf1"]) is None


def test_scripts_with_little_in_common_are_shown_in_full() -> None:
    rewritten = Example(Path("bad.py"), "title", "\n".join(f"line {number}" for number in range(10)), ())
    good = Example(Path("bad.py"), "title", "\n".join(f"another {number}" for number in range(10)), ())
    assert rewritten.diff_to(good) is None
    assert rewritten.diff_to(rewritten) == []


def test_code_for_tests_is_left_out() -> None:
    for example in examples("output/no-dropout"):
        assert "FINDINGS" not in example.code
        assert not example.code.startswith(('"', "\n"))


def test_a_group_lists_its_rules() -> None:
    assert "image-input/name: " in explained("image-input").output


def test_nothing_is_coloured_but_on_a_terminal() -> None:
    assert "\x1b" not in explained("output/width").output
