"""hubcheck's proto schema agrees with TensorFlow's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from hubcheck.module import proto
from tests.paths import DATA, modules_at_hand
from tests.releases import is_repeated

pytestmark = pytest.mark.slow

SCHEMA = Path(proto.__file__).with_name("saved_model.proto")
OURS_THEN_TENSORFLOW = "from hubcheck.module.proto import parse; parse('SavedModel', b''); import tensorflow"
TENSORFLOW_THEN_OURS = "import tensorflow; from hubcheck.module.proto import parse; parse('SavedModel', b'')"

TF_MODULES = {
    "tensorflow.core.protobuf": (
        "saved_model_pb2 meta_graph_pb2 saved_object_graph_pb2 trackable_object_graph_pb2 struct_pb2"
        " tensor_bundle_pb2 saver_pb2"
    ),
    "tensorflow.core.framework": (
        "graph_pb2 node_def_pb2 attr_value_pb2 function_pb2 op_def_pb2 tensor_pb2 tensor_shape_pb2"
        " versions_pb2 kernel_def_pb2 tensor_slice_pb2 variable_pb2 types_pb2"
    ),
}
OF_OTHER_PROJECTS = {
    "ModuleDef",
    "ModuleAttachment",
    "ImageSize",
    "ImageModuleInfo",
    "SavedMetadata",
    "KerasObject",
}


def tensorflows_descriptors() -> dict[str, object]:
    import importlib

    found = {}
    for package, names in TF_MODULES.items():
        for name in names.split():
            file = importlib.import_module(f"{package}.{name}").DESCRIPTOR
            found.update(file.message_types_by_name)
            found.update(file.enum_types_by_name)
    return found


def our_messages() -> list[descriptor_pb2.DescriptorProto]:
    files = descriptor_pb2.FileDescriptorSet.FromString(SCHEMA.with_suffix(".desc").read_bytes()).file
    return list(next(file for file in files if file.package == "tensorflow").message_type)


@pytest.mark.parametrize(
    "message", [m for m in our_messages() if m.name not in OF_OTHER_PROJECTS], ids=lambda m: m.name
)
def test_every_field_has_tensorflows_number_and_type(message):
    theirs = tensorflows_descriptors()[message.name]
    compare(message, theirs)


def compare(ours: descriptor_pb2.DescriptorProto, theirs) -> None:
    for field in ours.field:
        other = theirs.fields_by_name[field.name]
        wire = {
            descriptor_pb2.FieldDescriptorProto.TYPE_ENUM: descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
        }
        assert field.number == other.number, f"{ours.name}.{field.name}"
        assert wire.get(field.type, field.type) == wire.get(other.type, other.type), f"{ours.name}.{field.name}"
        assert (field.label == field.LABEL_REPEATED) == is_repeated(other), f"{ours.name}.{field.name}"
        if other.message_type is not None:
            assert field.type_name.rpartition(".")[2] == other.message_type.name
    for nested in ours.nested_type:
        compare(nested, theirs.nested_types_by_name[nested.name])


def test_dtype_numbers_are_those_of_tensorflow():
    theirs = {value.number: value.name for value in tensorflows_descriptors()["DataType"].values}
    enum = proto.message_class("TensorProto").DESCRIPTOR.fields_by_name["dtype"].enum_type
    ours = {value.number: value.name for value in enum.values}
    # An older release knows fewer, a later one more.
    both = theirs.keys() & ours.keys()
    assert {number: theirs[number] for number in both} == {number: ours[number] for number in both}
    assert len(both) >= 28


def test_the_checked_in_descriptors_are_compiled_from_the_source(tmp_path):
    pytest.importorskip("grpc_tools")
    out = tmp_path / "fresh.desc"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{SCHEMA.parent}", "--include_imports"]
    subprocess.run([*command, f"--descriptor_set_out={out}", str(SCHEMA)], check=True)
    fresh, checked_in = (
        {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file}
        for path in (out, SCHEMA.with_suffix(".desc"))
    )
    assert fresh["saved_model.proto"] == checked_in["saved_model.proto"]


@pytest.mark.parametrize("code", [OURS_THEN_TENSORFLOW, TENSORFLOW_THEN_OURS])
def test_tensorflow_can_be_imported_before_and_after(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", modules_at_hand(), ids=lambda path: path.name)
def test_a_module_reads_as_with_tensorflows_classes(path):
    from tensorflow.core.protobuf import saved_model_pb2

    data = (path / "saved_model.pb").read_bytes()
    theirs = saved_model_pb2.SavedModel.FromString(data)
    ours = proto.parse("SavedModel", data)
    for mine, other in zip(ours.meta_graphs, theirs.meta_graphs, strict=True):
        same_fields(mine, other, "MetaGraphDef")


def same_fields(ours, theirs, path: str) -> None:
    """Assert that every field of our schema has the value in TensorFlow's class."""
    for field in ours.DESCRIPTOR.fields:
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        where = f"{path}.{field.name}"
        if field.message_type is None:
            assert (list(mine) == list(other)) if is_repeated(field) else (mine == other), where
        elif field.message_type.GetOptions().map_entry:
            assert sorted(mine) == sorted(other), where
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in mine:
                    same_fields(mine[key], other[key], f"{where}[{key}]")
        elif field.message_type.full_name == "google.protobuf.Any":
            continue
        elif is_repeated(field):
            assert len(mine) == len(other), where
            for i, (a, b) in enumerate(zip(mine, other, strict=True)):
                same_fields(a, b, f"{where}[{i}]")
        else:
            assert ours.HasField(field.name) == theirs.HasField(field.name), where
            if ours.HasField(field.name):
                same_fields(mine, other, where)


@pytest.mark.parametrize("path", modules_at_hand(), ids=lambda path: path.name)
def test_a_module_written_as_text_has_the_same_facts(path, tmp_path):
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    from hubcheck.module.reader import read

    theirs = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    copy = tmp_path / path.name
    copy.mkdir()
    (copy / "saved_model.pbtxt").write_text(text_format.MessageToString(theirs), encoding="utf-8")
    if (path / "tfhub_module.pb").exists():
        (copy / "tfhub_module.pb").write_bytes((path / "tfhub_module.pb").read_bytes())
    binary, text = read(path), read(copy)
    assert text.format == binary.format
    assert [v.signatures for v in text.variants] == [v.signatures for v in binary.variants]
    for mine, other in zip(text.variants, binary.variants, strict=True):
        other.graph.DiscardUnknownFields()
        assert mine.graph == other.graph


def test_there_are_modules_to_compare():
    assert any(path.is_relative_to(DATA) for path in modules_at_hand())
