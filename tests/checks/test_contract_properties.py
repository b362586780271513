"""Signatures drawn at random, against an oracle that reads the convention instead of the rules' code."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

import hubcheck
from hubcheck.module.dtypes import dtype_name
from hubcheck.module.proto import parse
from tests.paths import DATA

GOOD = DATA / "a_good_feature_vector"
FLOAT32, UINT8, FLOAT16 = 1, 4, 19
OTHER = {
    "module/default-signature",
    "module/variants",
    "module/image-size",
    "image-input/value-range",
    "output/no-dropout",
    "classification/logits",
    "behaviour/deterministic",
}
"""Rules that look at the graph, or across signatures; the oracle speaks only of one signature by itself."""

dims = st.one_of(st.just(-1), st.integers(1, 40), st.just(3))
image_shapes = st.one_of(
    st.none(),
    st.lists(dims, max_size=5),
    st.tuples(dims, st.just(32), st.just(24), dims).map(list),
)
feature_shapes = st.one_of(st.none(), st.lists(dims, max_size=3), st.tuples(st.just(-1), dims).map(list))


@st.composite
def signatures(draw) -> dict:
    return {
        "input": draw(st.sampled_from(["images", "images", "inputs", "keras_tensor", "Images"])),
        "input_dtype": draw(st.sampled_from([FLOAT32, FLOAT32, UINT8, FLOAT16])),
        "input_shape": draw(image_shapes),
        "surplus": draw(st.sampled_from([(), (), ("keep_prob",), ("keep_prob", "is_training")])),
        "output": draw(st.sampled_from(["default", "default", "features", "output_0"])),
        "output_dtype": draw(st.sampled_from([FLOAT32, FLOAT32, FLOAT16])),
        "output_shape": draw(feature_shapes),
        "hidden": draw(st.sampled_from(["TinyCNN/layer_1", "layer_1", "1/x", "Net/a/b", "Net//x", "/x", "Net-2.0/x"])),
        "attached": draw(st.booleans()),
    }


def expected(drawn: dict) -> set[str]:
    """The rules that such a signature breaks, by the words of the convention and the table of needs."""
    return set(_faults(drawn))


def _faults(drawn: dict) -> Iterator[str]:
    if drawn["input"] != "images":
        yield "image-input/name"
    if drawn["surplus"]:
        yield "image-input/sole"
    found = drawn["input"] == "images" or not drawn["surplus"] or _rank(drawn["input_shape"]) == 4
    no_batch = False
    if found:
        if drawn["input_dtype"] != FLOAT32:
            yield "image-input/dtype"
        if _rank(drawn["input_shape"]) != 4:
            yield "image-input/rank"
            no_batch = True
        else:
            batch, height, width, channels = drawn["input_shape"]
            no_batch = batch != -1
            if no_batch:
                yield "image-input/batch-size"
            if -1 in (height, width):
                yield "image-input/image-size"
            if channels != 3:
                yield "image-input/channels"
    if drawn["output"] != "default":
        yield "output/default-key"
        yield "output/key-prefix"
    else:
        if drawn["output_dtype"] != FLOAT32:
            yield "output/dtype"
        if _rank(drawn["output_shape"]) != 2:
            yield "output/rank"
        else:
            if drawn["output_shape"][0] != -1 and not no_batch:
                yield "output/batch-size"
            if drawn["output_shape"][1] == -1:
                yield "output/width"
    if drawn["hidden"] in ("layer_1", "1/x", "Net//x", "/x"):
        yield "output/key-prefix"


def _rank(shape: list[int] | None) -> int | None:
    return None if shape is None else len(shape)


def publish(drawn: dict, folder: Path) -> Path:
    """The good module with such a signature, its graph edited to go with it."""
    module = folder / "m"
    shutil.copytree(GOOD, module)
    file = module / "saved_model.pb"
    proto = parse("SavedModel", file.read_bytes())
    for meta in proto.meta_graphs:
        if not drawn["attached"]:
            meta.collection_def.pop("hub_module_attachments", None)
        graph = meta.graph_def
        _placeholder(graph, "in", drawn["input_dtype"], drawn["input_shape"])
        _placeholder(graph, "out", drawn["output_dtype"], drawn["output_shape"])
        _placeholder(graph, "hidden", FLOAT32, [-1, 4])
        for key in ("default", "image_feature_vector"):
            signature = meta.signature_def[key]
            signature.Clear()
            _info(signature.inputs[drawn["input"]], "in:0", drawn["input_dtype"], drawn["input_shape"])
            for name in drawn["surplus"]:
                _placeholder(graph, name, FLOAT32, [])
                _info(signature.inputs[name], f"{name}:0", FLOAT32, [])
            _info(signature.outputs[drawn["output"]], "out:0", drawn["output_dtype"], drawn["output_shape"])
            _info(signature.outputs[drawn["hidden"]], "hidden:0", FLOAT32, [-1, 4])
    file.write_bytes(proto.SerializeToString())
    return module


def _placeholder(graph, name: str, dtype: int, shape: list[int] | None) -> None:
    if any(node.name == name for node in graph.node):
        return
    node = graph.node.add(name=name, op="Placeholder")
    node.attr["dtype"].type = dtype
    _shape(node.attr["shape"].shape, shape)


def _info(info, name: str, dtype: int, shape: list[int] | None) -> None:
    info.name, info.dtype = name, dtype
    _shape(info.tensor_shape, shape)


def _shape(proto, shape: list[int] | None) -> None:
    proto.SetInParent()
    proto.unknown_rank = shape is None
    for size in shape or ():
        proto.dim.add(size=size)


UNKNOWN_RANK_AND_FIXED_OUTPUT_BATCH = {
    "input": "images",
    "input_dtype": FLOAT32,
    "input_shape": None,
    "surplus": (),
    "output": "default",
    "output_dtype": FLOAT32,
    "output_shape": [8, 4],
    "hidden": "TinyCNN/layer_1",
    "attached": True,
}
"""Without a batch in the input there is none to ask of the output: one fault, one finding."""


@settings(max_examples=150, deadline=None)
@given(signatures())
@example(UNKNOWN_RANK_AND_FIXED_OUTPUT_BATCH)
def test_a_signature_breaks_exactly_the_rules_that_the_convention_says(drawn):
    with tempfile.TemporaryDirectory() as folder:
        report = hubcheck.validate(publish(drawn, Path(folder)), static=True).modules[0]
    broken = [outcome for outcome in report.outcomes if outcome.status == "broken"]
    assert not broken, broken
    found = {finding.rule for finding in report.findings} - OTHER
    described = {**drawn, "input_dtype": dtype_name(drawn["input_dtype"])}
    assert found == expected(drawn), described


STRING, INT64 = 7, 9
NAMES = {FLOAT32: "float32", INT64: "int64", STRING: "string"}

promises = st.lists(st.one_of(st.just("batch?"), st.integers(1, 4), st.sampled_from(["a", "b"])), max_size=3)
own_dims = st.one_of(st.just(-1), st.integers(1, 4))


@st.composite
def own_tensors(draw, keys: list[str]) -> dict[str, dict]:
    """Inputs or outputs of a signature file, and what a module has of each."""
    tensors = {}
    for key in keys[: draw(st.integers(1, len(keys)))]:
        shape, dtype = draw(promises), draw(st.sampled_from(list(NAMES)))
        kept = [draw(own_dims) if isinstance(want, str) and want in "ab" else want for want in shape]
        kept = [-1 if want == "batch?" else want for want in kept]
        found = draw(st.one_of(st.just(kept), st.just(kept), st.none(), st.lists(own_dims, max_size=3)))
        found_dtype = draw(st.sampled_from([dtype, dtype, *NAMES]))
        tensors[key] = {"dtype": dtype, "shape": shape, "found": found, "found_dtype": found_dtype}
    return tensors


def own_faults(inputs: dict[str, dict], outputs: dict[str, dict]) -> set[str]:
    """The rules that a module breaks by such a file and the table of needs."""
    faults: set[str] = set()
    sizes: dict[str, int] = {}
    rules = {
        "image-input": ("image-input/batch-size", "image-input/channels", "image-input/image-size"),
        "output": ("output/batch-size", "output/width", "output/width"),
    }
    for group, tensors in (("image-input", inputs), ("output", outputs)):
        unknown, number, name = rules[group]
        found: set[str] = set()
        for tensor in tensors.values():
            if tensor["found_dtype"] != tensor["dtype"]:
                faults.add(f"{group}/dtype")
            if _rank(tensor["found"]) != len(tensor["shape"]):
                found.add(f"{group}/rank")
                continue
            for want, size in zip(tensor["shape"], tensor["found"], strict=True):
                if want == "batch?":
                    found |= {unknown} if size != -1 else set()
                elif isinstance(want, int):
                    found |= {number} if size != want else set()
                elif size == -1 or sizes.setdefault(want, size) != size:
                    found.add(name)
        all_encoded = all(t["found_dtype"] == STRING != t["dtype"] for t in tensors.values())
        if f"{group}/rank" in found or all_encoded:
            faults |= set() if all_encoded else {f"{group}/rank"}
            faults |= {"no batch"} if group == "image-input" else set()
        else:
            faults |= found
    if faults & {"no batch", "image-input/batch-size"}:
        faults -= {"output/batch-size"}
    return faults - {"no batch"}


def publish_own(inputs: dict[str, dict], outputs: dict[str, dict], folder: Path) -> tuple[Path, Path]:
    """A module with such a signature, and the folder with the signature file."""
    module, rules = folder / "m", folder / "rules" / "signatures"
    shutil.copytree(GOOD, module)
    rules.mkdir(parents=True)
    lines = ['name = "own_task"', 'title = "Own"', 'source = "House rules"']
    for side, tensors in (("inputs", inputs), ("outputs", outputs)):
        for key, tensor in tensors.items():
            lines += [
                f"[{side}.{key}]",
                f'dtype = "{NAMES[tensor["dtype"]]}"',
                f"shape = {json.dumps(tensor['shape'])}",
            ]
    (rules / "own.toml").write_text("\n".join(lines), encoding="utf-8")
    file = module / "saved_model.pb"
    proto = parse("SavedModel", file.read_bytes())
    for meta in proto.meta_graphs:
        del meta.signature_def["image_feature_vector"]
        for signature in (meta.signature_def["default"], meta.signature_def["own_task"]):
            signature.Clear()
            for infos, tensors in ((signature.inputs, inputs), (signature.outputs, outputs)):
                for key, tensor in tensors.items():
                    _placeholder(meta.graph_def, f"own_{key}", tensor["found_dtype"], tensor["found"])
                    _info(infos[key], f"own_{key}:0", tensor["found_dtype"], tensor["found"])
    file.write_bytes(proto.SerializeToString())
    return module, rules.parent


@settings(max_examples=150, deadline=None)
@given(own_tensors(["x", "y"]), own_tensors(["default", "extra"]))
def test_a_signature_file_of_ones_own_holds_each_of_its_inputs_and_outputs(inputs, outputs):
    with tempfile.TemporaryDirectory() as folder:
        module, rules = publish_own(inputs, outputs, Path(folder))
        report = hubcheck.validate(module, static=True, rules=[rules]).modules[0]
    broken = [outcome for outcome in report.outcomes if outcome.status == "broken"]
    assert not broken, broken
    found = {f.rule for f in report.findings if f.rule.partition("/")[0] in ("image-input", "output")} - OTHER
    assert found == own_faults(inputs, outputs)
    assert {f.source for f in report.findings if f.rule in found} <= {"House rules"}
