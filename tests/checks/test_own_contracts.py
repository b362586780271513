"""A signature file of one's own is held whole: every input and output that it names, by files and by runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import hubcheck
from hubcheck.rulebook.contract import load_contracts
from tests.paths import ROOT

TEXT = """
name = "text_embedding"
title = "Text embedding"
source = "House rules, \\"Text\\""
[inputs.text]
dtype = "string"
shape = ["batch?"]
[outputs.default]
dtype = "float32"
shape = ["batch?", "dim"]
"""
AUDIO = """
name = "audio_scores"
title = "Audio scores"
source = "House rules, \\"Audio\\""
[inputs.samples]
dtype = "float32"
shape = ["batch?", "samples?"]
range = [-1, 1]
[inputs.rate]
dtype = "int32"
shape = []
[outputs.default]
dtype = "float32"
shape = ["batch?", 10]
range = [0, 1]
[outputs."Net/embedding"]
dtype = "float32"
shape = ["batch?", "dim"]
"""


def rules_folder(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "house"
    (folder / "signatures").mkdir(parents=True)
    (folder / "signatures" / "own.toml").write_text(text, encoding="utf-8")
    return folder


def findings(path: Path, contract: str, tmp_path: Path, *, static: bool = True) -> dict[str, list[hubcheck.Finding]]:
    report = hubcheck.validate(path, static=static, rules=[rules_folder(tmp_path, contract)]).modules[0]
    assert not [outcome for outcome in report.outcomes if outcome.status == "broken"], report.outcomes
    found: dict[str, list[hubcheck.Finding]] = {}
    for finding in report.findings:
        if finding.rule not in ("module/callable", "module/task-signature"):
            found.setdefault(finding.rule, []).append(finding)
    return found


def summary(found: dict[str, list[hubcheck.Finding]]) -> list[tuple[str, str | None, str]]:
    return [(rule, finding.where.key, finding.message) for rule, all_of in found.items() for finding in all_of]


def save(path: Path, name: str, function: Callable, *specs) -> Path:
    import tensorflow as tf

    module = tf.Module()
    module.kernel = tf.Variable(tf.random.stateless_normal([16, 10], seed=[1, 2]), name="kernel")
    called = tf.function(lambda *inputs: function(tf, module.kernel, *inputs), input_signature=list(specs))
    tf.saved_model.save(module, str(path), signatures={"serving_default": called, name: called})
    return path


def text_module(path: Path, *, dtype="string", shape=(None,), key="text", rows: int | None = None) -> Path:
    import tensorflow as tf

    def embed(tf, kernel, text):
        text = tf.reshape(text, [-1])
        words = tf.strings.to_hash_bucket_fast(text if text.dtype == tf.string else tf.strings.as_string(text), 16)
        result = tf.gather(kernel, words)
        return {"default": result if rows is None else tf.reshape(result[:rows], [rows, 10])}

    return save(path, "text_embedding", embed, tf.TensorSpec(shape, dtype, name=key))


@pytest.mark.slow
def test_a_text_module_that_keeps_its_contract_has_no_finding(tmp_path):
    assert findings(text_module(tmp_path / "m"), TEXT, tmp_path, static=False) == {}


@pytest.mark.parametrize(
    ("module", "rule", "message"),
    [
        ({"dtype": "int64"}, "image-input/dtype", 'the input "text" is int64'),
        ({"dtype": "uint8"}, "image-input/dtype", 'the input "text" is uint8'),
        ({"shape": (None, 1)}, "image-input/rank", 'the rank of the input "text" is 2'),
        ({"shape": None}, "image-input/rank", 'the rank of the input "text" is unknown'),
        ({"shape": (8,)}, "image-input/batch-size", "dimension 0 is 8, so only batches of 8 are accepted"),
        ({"key": "sentences"}, "image-input/name", 'the input "text" is called "sentences"'),
        ({"rows": 4}, "output/batch-size", 'dimension 0 of the output "default" is 4'),
    ],
)
def test_each_fault_of_a_text_module_is_found(module, rule, message, tmp_path):
    found = findings(text_module(tmp_path / "m", **module), TEXT, tmp_path)
    assert list(found) == [rule]
    (finding,) = found[rule]
    assert finding.message == message
    assert finding.source == 'House rules, "Text"'
    assert "image" not in finding.fix


@pytest.mark.parametrize(
    ("old", "new", "rule", "message"),
    [
        ('dtype = "float32"', 'dtype = "float16"', "output/dtype", 'the output "default" is float32'),
        ('"batch?", "dim"', '"batch?"', "output/rank", 'the rank of the output "default" is 2'),
        ('"batch?", "dim"', '"batch?", 12', "output/width", 'dimension 1 of the output "default" is 10'),
        ('"batch?", "dim"', '"batch?", "dim?"', "output/batch-size", 'dimension 1 of the output "default" is 10'),
        ("[outputs.default]", "[outputs.vectors]", "output/default-key", 'there is no output "vectors"'),
        ('dtype = "string"', 'dtype = "string"\nencoding = "sparse"', "image-input/dense", 'the input "text" is'),
    ],
)
def test_a_text_module_is_held_to_what_its_contract_says(old, new, rule, message, tmp_path):
    found = findings(text_module(tmp_path / "m"), TEXT.replace(old, new), tmp_path)
    assert list(found) == [rule]
    assert found[rule][0].message.startswith(message)
    assert found[rule][0].source == 'House rules, "Text"'


def audio_module(path: Path, *, rate: str = "int32", width: int = 10) -> Path:
    import tensorflow as tf

    def score(tf, kernel, samples, rate):
        framed = tf.reduce_mean(samples, axis=1, keepdims=True) * tf.ones([1, 16])
        scores = tf.sigmoid(tf.matmul(framed, kernel) + tf.cast(rate, tf.float32) * 1e-9)
        return {"default": scores, "Net/embedding": tf.matmul(scores, tf.ones([10, width]))}

    samples = tf.TensorSpec([None, None], tf.float32, name="samples")
    return save(path, "audio_scores", score, samples, tf.TensorSpec([], rate, name="rate"))


def test_a_module_of_two_inputs_and_two_outputs_that_keeps_its_contract_has_no_finding(tmp_path):
    assert findings(audio_module(tmp_path / "m"), AUDIO, tmp_path, static=True) == {}


def test_the_second_input_is_held_to_the_contract_as_the_first_is(tmp_path):
    found = findings(audio_module(tmp_path / "m", rate="int64"), AUDIO, tmp_path)
    assert summary(found) == [("image-input/dtype", "rate", 'the input "rate" is int64')]


def test_the_second_output_is_held_to_the_contract_as_the_first_is(tmp_path):
    contract = AUDIO.replace('"batch?", "dim"', '"batch?", "dim", 3')
    found = findings(audio_module(tmp_path / "m"), contract, tmp_path)
    assert summary(found) == [("output/rank", "Net/embedding", 'the rank of the output "Net/embedding" is 2')]


@pytest.mark.parametrize(
    ("width", "expected"),
    [(10, []), (7, [("output/width", "Net/embedding", "dim is 7 here, and 10 in audio_scores, outputs")])],
)
def test_a_name_has_one_size_wherever_it_stands(width, expected, tmp_path):
    contract = AUDIO.replace('["batch?", 10]', '["batch?", "dim"]')
    assert summary(findings(audio_module(tmp_path / "m", width=width), contract, tmp_path)) == expected


MONO = AUDIO.replace('[inputs.rate]\ndtype = "int32"\nshape = []\n', "").replace('"samples?"', "16")


def mono_module(path: Path, *, scale: float = 1.0, sigmoid: bool = True) -> Path:
    import tensorflow as tf

    def score(tf, kernel, samples):
        scores = tf.matmul(samples * scale, kernel)
        scores = tf.sigmoid(scores) if sigmoid else scores
        return {"default": scores, "Net/embedding": scores}

    return save(path, "audio_scores", score, tf.TensorSpec([None, 16], tf.float32, name="samples"))


def test_the_range_of_an_input_is_that_of_the_contract(tmp_path):
    assert findings(mono_module(tmp_path / "good"), MONO, tmp_path / "a") == {}
    (finding,) = findings(mono_module(tmp_path / "bad", scale=1 / 255), MONO, tmp_path / "b")["image-input/value-range"]
    assert 'the input "samples" in [-1, 1] reach' in finding.message
    wide = MONO.replace("range = [-1, 1]", "range = [0, 255]")
    assert findings(mono_module(tmp_path / "wide", scale=1 / 255), wide, tmp_path / "c") == {}


@pytest.mark.slow
def test_the_range_of_an_output_is_that_of_the_contract(tmp_path):
    assert findings(mono_module(tmp_path / "good"), MONO, tmp_path / "a", static=False) == {}
    found = findings(mono_module(tmp_path / "bad", sigmoid=False), MONO, tmp_path / "b", static=False)
    assert list(found) == ["behaviour/declared-shape"]
    assert 'the output "default" has values in [' in found["behaviour/declared-shape"][0].message


def test_the_convention_cites_its_own_sections(fixture_module):
    for rule, section in {"image-input/dtype": "Image input", "output/dtype": "Image Feature Vector"}.items():
        report = hubcheck.validate(fixture_module(f"{rule}/bad"), static=True).modules[0]
        assert {f.source for f in report.findings if f.rule == rule} == {f'Common Signatures for Images, "{section}"'}


def test_the_example_of_the_documentation_is_a_contract(tmp_path):
    page = (ROOT / "docs" / "guides" / "own-signatures.md").read_text(encoding="utf-8")
    text = next(block.split("```")[0] for block in page.split("```toml") if 'name = "text_embedding"' in block)
    contracts = load_contracts(rules_folder(tmp_path, text))
    assert contracts["text_embedding"].inputs["text"].dtype == "string"
    assert findings(text_module(tmp_path / "m"), text, tmp_path / "again") == {}
