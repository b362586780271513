"""Rules and signatures as data: the shipped ones are valid, and errors in those of a user are reported."""

from __future__ import annotations

import json
import tomllib

import jsonschema
import pytest

from hubcheck.engine import evaluation as engine
from hubcheck.rulebook.contract import load_contracts
from hubcheck.rulebook.rules import UnknownRule, load_rules, select
from hubcheck.util.data_files import DataFileError
from tests.cli.command import hubcheck
from tests.paths import DATA, ROOT

RULES = sorted(file for file in (ROOT / "rules").glob("*/*.toml") if file.parent.name != "signatures")
SIGNATURES = sorted((ROOT / "rules" / "signatures").glob("*.toml"))


def schema(name: str) -> dict:
    return json.loads((ROOT / "rules" / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", sorted((ROOT / "rules" / "schema").glob("*.json")), ids=lambda file: file.stem)
def test_a_schema_is_a_schema(file):
    jsonschema.Draft202012Validator.check_schema(json.loads(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", RULES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_shipped_rule_keeps_its_schema_and_its_name(file):
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(data, schema("rule"))
    assert data["id"] == f"{file.parent.name}/{file.stem}"


@pytest.mark.parametrize("file", SIGNATURES, ids=lambda file: file.stem)
def test_a_shipped_signature_keeps_its_schema_and_its_name(file):
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(data, schema("signature"))
    assert data["name"] == file.stem


@pytest.mark.parametrize("rule", load_rules().values(), ids=lambda rule: rule.id)
def test_what_a_shipped_rule_needs_is_there(rule):
    for need in (*rule.needs, *rule.run_needs):
        assert select([need], load_rules())


@pytest.mark.parametrize("rule", load_rules().values(), ids=lambda rule: rule.id)
def test_the_predicates_of_a_rule_are_there_and_documented(rule):
    for name in filter(None, (rule.check, rule.probe)):
        assert engine.predicate(name).__doc__, name


def test_no_rule_needs_itself_in_the_end():
    rules = load_rules()

    def needed(rule: str, path: tuple[str, ...]) -> None:
        assert rule not in path, " -> ".join((*path, rule))
        for need in rules[rule].needs:
            for other in select([need], rules):
                needed(other, (*path, rule))

    for rule in rules:
        needed(rule, ())


OWN_RULE = """
id = "house/known-classes"
title = "Ten classes"
level = "error"
check = "tensors:dimension"
params = { side = "outputs", sizes = ["name"] }
message = "dimension {axis} is {dim}"
why = "Ours have ten."
fix = "Train with ten."
source = { document = "House rules", section = "Classes", requirement = "ten classes" }
"""
OWN_SIGNATURE = """
name = "audio_embedding"
title = "Audio embedding"
source = "House rules"
[inputs.samples]
dtype = "float32"
shape = ["batch?", "samples"]
[outputs.default]
dtype = "float32"
shape = ["batch?", "width"]
"""


def test_a_rule_and_a_signature_of_ones_own_are_used(tmp_path):
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "known-classes.toml").write_text(OWN_RULE, encoding="utf-8")
    (tmp_path / "signatures").mkdir()
    (tmp_path / "signatures" / "audio.toml").write_text(OWN_SIGNATURE, encoding="utf-8")
    assert load_rules(tmp_path)["house/known-classes"].source == 'House rules, "Classes"'
    assert load_contracts(tmp_path)["audio_embedding"].inputs["samples"].shape == ("batch?", "samples")
    done = hubcheck("validate", "--static", "--rules", tmp_path, "--format", "json", DATA / "a_good_feature_vector")
    outcomes = json.loads(done.stdout)["modules"][0]["outcomes"]
    assert {"passed"} == {o["status"] for o in outcomes if o["rule"] == "house/known-classes"}


BROKEN = {
    "not toml": (OWN_RULE.replace("title", "title ="), "Invalid"),
    "level": (OWN_RULE.replace('"error"', '"fatal"'), "level: 'fatal' is not one of error, warning, note"),
    "missing": (OWN_RULE.replace('why = "Ours have ten."', ""), "the key 'why' is missing"),
    "surplus": ('colour = "red"\n' + OWN_RULE, "colour: no such key; known keys are id, title"),
    "neither half": (OWN_RULE.replace('check = "tensors:dimension"', ""), "one of the keys check, probe is missing"),
    "id": (OWN_RULE.replace("house/known-classes", "house/other"), "id: 'house/other' must be 'house/known-classes'"),
    "needs": (OWN_RULE + 'needs = ["house/nothing"]', "no rule is called 'house/nothing'"),
    "predicate": (OWN_RULE.replace("tensors:dimension", "no.such.module:check"), "no.such.module:check"),
    "shipped predicate": (OWN_RULE.replace("tensors:dimension", "tensors:nothing"), "tensors:nothing"),
    "probe": (OWN_RULE.replace('check = "tensors', 'probe = "tensors'), "too many positional arguments"),
    "field": (OWN_RULE.replace("{dim}", "{foudn}"), "message: no field is called {foudn}; did you mean {found}?"),
    "parameter": (OWN_RULE.replace("sizes", "size"), "params"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_rule_is_exit_2_with_file_and_reason(tmp_path, kind):
    text, reason = BROKEN[kind]
    (tmp_path / "house").mkdir()
    file = tmp_path / "house" / "known-classes.toml"
    file.write_text(text, encoding="utf-8")
    done = hubcheck("validate", "--static", "--rules", tmp_path, DATA / "a_good_feature_vector")
    assert done.returncode == 2, done.stdout + done.stderr
    assert reason in done.stderr
    assert "known-classes" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_field_that_no_fault_has_is_exit_2_with_the_fields_that_it_has(tmp_path):
    (tmp_path / "house").mkdir()
    text = OWN_RULE.replace("{dim}", "{size}").replace('"tensors:dimension"', '"house.checks:never"')
    text = text.replace('{ side = "outputs", sizes = ["name"] }', "{}")
    (tmp_path / "house" / "house").mkdir()
    (tmp_path / "house" / "house" / "known-classes.toml").write_text(
        text.replace("{axis}", "{found}"), encoding="utf-8"
    )
    code = (
        "from hubcheck import Fault, Where\n\n\ndef never(context):\n    yield Fault(Where(), details={'number': 3})\n"
    )
    (tmp_path / "house" / "checks.py").write_text(code, encoding="utf-8")
    done = hubcheck("validate", "--static", "--rules", tmp_path / "house", DATA / "a_good_feature_vector")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "the message names {size}, but the fault has only found, wanted, number" in " ".join(done.stdout.split())


def test_what_a_user_s_rule_says_cannot_steer_a_terminal(tmp_path):
    (tmp_path / "house").mkdir()
    text = OWN_RULE.replace("Ten classes", r"\u001b[31mTen\u202e classes").replace("Train with", r"Train\u001b[2J with")
    (tmp_path / "house" / "known-classes.toml").write_text(text, encoding="utf-8")
    for command in (["rules"], ["rules", "--format", "json"], ["explain", "house/known-classes"]):
        done = hubcheck(*command, "--rules", tmp_path)
        assert done.returncode == 0, done.stderr
        assert "31mTen" in done.stdout
        assert not {"\x1b", "\u202e"} & set(done.stdout)


def test_a_broken_signature_is_exit_2_with_file_and_reason(tmp_path):
    (tmp_path / "signatures").mkdir()
    text = OWN_SIGNATURE.replace('"float32"', '"floaty"', 1)
    (tmp_path / "signatures" / "audio.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataFileError, match=r"audio\.toml: inputs\.samples\.dtype: 'floaty'"):
        load_contracts(tmp_path)


def test_a_selection_that_matches_nothing_names_the_nearest():
    with pytest.raises(UnknownRule, match="image-input/batch-size"):
        select(["image-input/batchsize"], load_rules())


def test_selecting_is_not_by_substring():
    assert select(["output"], load_rules()) == {rule for rule in load_rules() if rule.startswith("output/")}
