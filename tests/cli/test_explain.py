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
    done = explained(rule, "--full")
    assert done.exit_code == 0, done.output
    flat = " ".join(done.output.split())
    for example in examples(rule):
        assert f"{example.name}: {example.title}" in flat
        if example.good:
            assert example.code.rstrip() in done.output
    for label in ("why", "fix", "spec"):
        assert f"\n  {label} " in done.output


def test_a_failing_script_is_shown_as_the_difference_to_a_passing_one() -> None:
    text = explained("output/width", "--full").output
    assert "\n--- bad.py\n+++ good.py\n@@" in text
    assert "\n-        return tf.reshape(x, [tf.shape(x)[0], tf.reduce_prod(tf.shape(x)[1:])])\n" in text
    assert "\n+        return tf.reshape(x, [tf.shape(x)[0], 12 * 16 * FEATURES])\n" in text
    assert text.count("def publish") == 1


def test_a_form_is_compared_with_the_good_script_of_the_same_form() -> None:
    text = explained("output/no-dropout", "--full").output
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


@pytest.mark.parametrize("rule", RULES)
def test_the_short_explanation_is_why_fix_and_one_example(rule: str) -> None:
    text = explained(rule).output
    for label in ("why", "fix", "spec"):
        assert f"\n  {label} " in text
    flat = " ".join(text.split())
    titles = [example for example in examples(rule) if f"{example.name}: {example.title}" in flat]
    assert len(titles) == 1 and not titles[0].good
    assert text.splitlines()[-1] == f"{len(examples(rule))} examples: hubcheck explain {rule} --full"


def test_a_part_of_a_name_shows_the_only_rule_that_has_it_and_lists_several() -> None:
    assert explained("width").output == explained("output/width").output
    listed = explained("dtype").output.splitlines()
    assert [line.partition(": ")[0] for line in listed] == ["image-input/dtype", "output/dtype"]


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_the_list_of_rules_fits_the_terminal_and_splits_no_id(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubcheck.cli.rules.terminal_width", lambda: int(columns))
    lines = CliRunner().invoke(cli, ["rules"]).output.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert [line.split()[0] for line in lines if line.startswith("  ") and "/" in line.split()[0]] == sorted(RULES)
    groups = [line for line in lines if line and not line.startswith(" ")][:-1]
    assert groups == sorted({rule.partition("/")[0] for rule in RULES})


def test_a_group_lists_its_rules() -> None:
    assert "image-input/name: " in explained("image-input").output


def test_nothing_is_coloured_but_on_a_terminal() -> None:
    assert "\x1b" not in explained("output/width").output
