"""Modules whose protos were edited after export, as published attacks do it, are found from their files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import variable_pb2
from tensorflow.core.protobuf import saved_model_pb2

from hubcheck.graph.op_tables import ops
from tests.checks.hostile import Honest, findings_of, safety_report, save, unreached

pytestmark = pytest.mark.slow

MetaGraph = Any


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save(Honest(), tmp_path / "m")


def edit(path: Path, change: Callable[[MetaGraph], None]) -> Path:
    """Change the MetaGraph of a module in its folder."""
    file = path / "saved_model.pb"
    proto = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(proto.meta_graphs[0])
    file.write_bytes(proto.SerializeToString())
    return path


def text(graph: Any, name: str, value: str) -> str:
    """Add a string constant."""
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = tf.string.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return name


def add_write(graph: Any) -> str:
    """Add a node that writes a file."""
    inputs = [text(graph, "evil/name", "/tmp/hubcheck-never-written"), text(graph, "evil/contents", "x")]
    graph.node.add(name="evil", op="WriteFile", input=inputs)
    return "evil"


def node(graph: Any, name: str) -> Any:
    return next(node for node in graph.node if node.name == name.partition(":")[0])


def test_the_good_module_has_no_finding(good: Path) -> None:
    assert findings_of(good) == []


def test_a_node_that_nothing_runs_is_no_fault(good: Path) -> None:
    assert findings_of(edit(good, lambda meta: add_write(meta.graph_def))) == []


def test_a_control_input_of_the_restore_op_runs_when_the_module_is_loaded(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        node(meta.graph_def, meta.saver_def.restore_op_name).input.append("^" + add_write(meta.graph_def))

    assert findings_of(edit(good, change)) == ["error safety/file-access WriteFile"]


def test_a_control_input_of_the_init_op_does_too(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        add_write(meta.graph_def)
        meta.graph_def.node.add(name="init_all", op="NoOp", input=["^evil"])
        meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "init_all"

    assert findings_of(edit(good, change)) == ["error safety/file-access WriteFile"]


@pytest.mark.parametrize("collection", ["saved_model_main_op", "legacy_init_op", "table_initializer", "update_ops"])
def test_so_does_what_a_collection_has_loaders_or_consumers_run(collection: str, good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        meta.collection_def[collection].node_list.value[:] = [add_write(meta.graph_def)]

    assert findings_of(edit(good, change)) == ["error safety/file-access WriteFile"]


def test_local_variables_are_initialised_by_the_loader_too(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        variable = variable_pb2.VariableDef(variable_name="local", initializer_name=add_write(meta.graph_def))
        meta.collection_def["local_variables"].bytes_list.value.append(variable.SerializeToString())

    assert findings_of(edit(good, change)) == ["error safety/file-access WriteFile"]


def test_an_init_op_cannot_hide_behind_another_output_of_its_signature(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        outputs = meta.signature_def["__saved_model_init_op"].outputs
        outputs["A"].CopyFrom(outputs["__saved_model_init_op"])
        outputs["__saved_model_init_op"].name = add_write(meta.graph_def)

    assert findings_of(edit(good, change)) == ["error safety/file-access WriteFile"]


def test_the_saver_is_exempt_only_where_the_loader_gives_it_the_path(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        call = node(meta.graph_def, meta.saver_def.restore_op_name)
        call.input[0] = text(meta.graph_def, "elsewhere", "/home/me/other-checkpoint")

    assert findings_of(edit(good, change)) == ["error safety/file-access RestoreV2"]


def test_a_path_that_only_the_loader_feeds_is_no_excuse_for_a_signature(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        graph = meta.graph_def
        name = meta.saver_def.filename_tensor_name = text(graph, "unfed", "/home/me/.bashrc") + ":0"
        save_call = node(graph, meta.saver_def.save_tensor_name)
        save_call.input[0] = node(graph, meta.saver_def.restore_op_name).input[0] = name
        output = meta.signature_def["serving_default"].outputs["default"].name
        node(graph, output).input.append("^" + save_call.name)

    assert "error safety/file-access SaveV2" in findings_of(edit(good, change))


@pytest.mark.parametrize("tail", ["/../../.bashrc", "/./.", "."])
def test_a_path_that_climbs_out_of_the_loaders_folder_is_not_the_loaders(tail: str, good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        graph = meta.graph_def
        call = node(graph, meta.saver_def.save_tensor_name)
        joined = graph.node.add(name="climb", op="StringJoin", input=[call.input[0], text(graph, "tail", tail)])
        joined.attr["N"].i = 2
        call.input[0] = "climb"

    assert "error safety/file-access SaveV2" in findings_of(edit(good, change))


def test_a_function_that_grappler_may_put_in_anothers_place_can_run(tmp_path: Path) -> None:
    def change(meta: MetaGraph) -> None:
        graph = meta.graph_def
        (evil,) = (f for f in graph.library.function if any(n.op == "WriteFile" for n in f.node_def))
        name = evil.signature.name
        graph.library.function.remove(evil)
        wrapper = next(f for f in graph.library.function if "signature_wrapper" in f.signature.name)
        twin = graph.library.function.add()
        twin.CopyFrom(evil)
        twin.signature.name = "twin"
        for function in (wrapper, twin):
            function.attr["api_implements"].s = b"the same"
        graph.library.function.add().CopyFrom(twin)
        graph.library.function[-1].signature.name = name
        del graph.library.function[-1].node_def[:]

    path = unreached(tmp_path / "m", lambda: tf.io.write_file("/tmp/hubcheck-never-written", "x"))
    assert findings_of(edit(path, change)) == ["error safety/file-access WriteFile"]


def test_text_is_read_as_bytes_are_and_a_fingerprint_proves_nothing(tmp_path: Path) -> None:
    path = unreached(tmp_path / "m", lambda: tf.io.read_file("/etc/passwd"))
    proto = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    (path / "saved_model.pbtxt").write_text(text_format.MessageToString(proto))
    (path / "saved_model.pb").unlink()
    clean = save(Honest(), tmp_path / "clean")
    (path / "fingerprint.pb").write_bytes((clean / "fingerprint.pb").read_bytes())
    assert findings_of(path) == ["error safety/file-access ReadFile"]


def test_an_unknown_op_is_found_even_where_nothing_runs_it(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        meta.graph_def.node.add(name="fast", op="TRTEngineOp")
        meta.graph_def.library.function[0].node_def.add(name="inner", op="SomebodysFastConv")

    assert findings_of(edit(good, change)) == [
        "error safety/custom-ops SomebodysFastConv",
        "error safety/custom-ops TRTEngineOp",
    ]


def test_an_op_of_a_later_tensorflow_is_not_called_foreign_and_keeps_the_verdict_open(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        meta.graph_def.versions.producer = ops.tensorflow_version()[1] + 1
        meta.graph_def.node.add(name="a", op="ConvOfNextYear")

    report = safety_report(edit(good, change))
    assert report.verdict == "incomplete"
    (outcome,) = [o for o in report.outcomes if o.rule == "safety/custom-ops"]
    assert outcome.status == "skipped"
    assert (outcome.reason or "").startswith("ConvOfNextYear: not in TensorFlow")


def test_python_code_in_the_metadata_of_early_keras_2_is_a_warning(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        config = {"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda", "name": "code"}]}}
        meta.object_graph_def.nodes[0].user_object.metadata = json.dumps(config)

    assert findings_of(edit(good, change)) == ["warning safety/host-code"]


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "a/../../b", "..\\b", "C:\\b"])
def test_an_asset_whose_name_climbs_out_of_the_module_is_found(name: str, good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        asset = meta.asset_file_def.add(filename=name)
        asset.tensor_info.name = text(meta.graph_def, "asset", name) + ":0"

    # A name of Windows is one of this system's, too, so that file has to be there.
    (good / "assets").mkdir(exist_ok=True)
    if "/" not in name:
        (good / "assets" / name).write_text("")
    assert findings_of(edit(good, change)) == ["error safety/paths"]


def test_a_link_out_of_the_module_is_an_error_and_one_inside_is_none(good: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes((good / "fingerprint.pb").read_bytes())
    (good / "fingerprint.pb").unlink()
    (good / "fingerprint.pb").symlink_to(tmp_path / "elsewhere")
    (good / "inside").symlink_to("saved_model.pb")
    assert findings_of(good) == ["error safety/paths"]


def test_a_module_below_a_link_is_not_outside_of_itself(good: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(good)
    assert findings_of(tmp_path / "latest") == []


def test_a_broken_reference_is_no_crash(good: Path) -> None:
    def change(meta: MetaGraph) -> None:
        call = node(meta.graph_def, meta.saver_def.restore_op_name)
        del call.input[:]
        meta.graph_def.node.add(name="lost", op="WriteFile", input=["nowhere:0", "^gone"])
        meta.saver_def.save_tensor_name = "lost:7"
        function = meta.graph_def.library.function[0]
        function.node_def.add(name="self", op="PartitionedCall").attr["f"].func.name = function.signature.name
        function.node_def.add(name="none", op="PartitionedCall").attr["f"].func.name = "missing"

    assert "error safety/file-access WriteFile" in findings_of(edit(good, change))


def twin_of(path: Path, hide: Callable[[Any, str], None]) -> Path:
    """Move the payload's function out of the object graph's sight, and let `hide` refer to it by its new name."""

    def change(meta: MetaGraph) -> None:
        library = meta.graph_def.library
        evil = next(f for f in library.function if any(n.op == "WriteFile" for n in f.node_def))
        hidden = library.function.add()
        hidden.CopyFrom(evil)
        hidden.signature.name = "hidden"
        del evil.node_def[:]
        evil.ret.clear()
        hide(meta.graph_def, "hidden")

    return edit(path, change)


def wrapper_of(graph: Any) -> Any:
    return next(f for f in graph.library.function if "signature_wrapper" in f.signature.name)


def as_gradient(graph: Any, hidden: str) -> None:
    graph.library.gradient.add(function_name=wrapper_of(graph).signature.name, gradient_func=hidden)


def as_registered_gradient(graph: Any, hidden: str) -> None:
    graph.library.registered_gradients.add(gradient_func=hidden, registered_op_type="CustomGradient-1")


def as_argument_of_a_function(graph: Any, hidden: str) -> None:
    name = wrapper_of(graph).signature.name
    call = next(n for n in graph.node if n.attr["f"].func.name == name)
    call.attr["f"].func.attr["handed"].func.name = hidden


def called_by_name(graph: Any, hidden: str) -> None:
    wrapper_of(graph).node_def.add(name="called", op=hidden)


def never(graph: Any, hidden: str) -> None:
    pass


@pytest.mark.parametrize("hide", [as_gradient, as_registered_gradient, as_argument_of_a_function, called_by_name])
def test_a_function_is_found_however_it_is_referred_to(hide: Callable[[Any, str], None], tmp_path: Path) -> None:
    path = unreached(tmp_path / "m", lambda: tf.io.write_file("/tmp/hubcheck-never-written", "x"))
    assert findings_of(twin_of(path, hide)) == ["error safety/file-access WriteFile"]


def test_a_function_that_nothing_refers_to_cannot_run(tmp_path: Path) -> None:
    path = unreached(tmp_path / "m", lambda: tf.io.write_file("/tmp/hubcheck-never-written", "x"))
    assert findings_of(twin_of(path, never)) == []


def test_of_two_functions_with_one_name_the_last_is_judged_because_loaders_take_it(tmp_path: Path) -> None:
    def change(meta: MetaGraph) -> None:
        library = meta.graph_def.library
        evil = next(f for f in library.function if any(n.op == "WriteFile" for n in f.node_def))
        library.function.add().CopyFrom(evil)
        del evil.node_def[:]

    path = unreached(tmp_path / "m", lambda: tf.io.write_file("/tmp/hubcheck-never-written", "x"))
    assert findings_of(edit(path, change)) == ["error safety/file-access WriteFile"]
