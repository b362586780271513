"""Files to facts: one reader for TF1 Hub format and for TF1 and TF2 SavedModels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcheck.module import checkpoint as checkpoints
from hubcheck.module import from_proto, object_graph
from hubcheck.module.assets import Texts, assets
from hubcheck.module.bounded_read import read_file, read_within
from hubcheck.module.field_count import check_fields
from hubcheck.module.formats import Format
from hubcheck.module.limits import LIMITS, LimitExceeded, ReadLimits
from hubcheck.module.listing import files, links_out
from hubcheck.module.proto import DecodeError, parse, parse_text
from hubcheck.module.readmes import read_documents
from hubcheck.module.types import Checkpoint, Module, Problem, Variable, Variant
from hubcheck.module.v1_variables import collection_variables, restored_variables

SCHEMA_VERSION = 1
ATTACHMENTS = "hub_module_attachments"
IMAGE_MODULE_INFO = "image_module_info"
_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_FIX = "Fetch the real file with `git lfs pull`, then check again."


class _Unreadable(Exception):
    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.problem = Problem(message, fix)


def read(path: str | os.PathLike[str], limits: ReadLimits = LIMITS) -> Module:
    """Everything that the files of a module say, without running it.

    Never raises for what is in the files: what makes them unreadable stands in the result's `problems`,
    and `format` is None if nothing could be read at all.

    Args:
        path: the module's folder.
        limits: how much of it is read, at most.
    """
    root = Path(path)
    try:
        name, proto = _saved_model(root, limits)
        kind = _format(root, proto, limits)
        listed = files(root, limits)
        _check_size(name, proto, limits)
        graph = next((mg.object_graph_def for mg in proto.meta_graphs if mg.object_graph_def.nodes), None)
        restored = object_graph.object_graph(graph, limits) if graph is not None else None
    except LimitExceeded as error:
        problem = Problem(f"the module is too large to be read: {error}", error.fix)
        return Module(path=root, format=None, file=_file_name(root), problems=(problem,))
    except _Unreadable as error:
        return Module(path=root, format=None, file=_file_name(root), problems=(error.problem,))
    problems: list[Problem] = []
    index = _checkpoint(root, problems, limits)
    parts = _Parts(root, kind, index, Texts(root, limits), limits)
    return Module(
        path=root,
        format=kind,
        file=name,
        variants=tuple(_variant(meta, parts, problems) for meta in proto.meta_graphs),
        objects=restored,
        checkpoint=index,
        files=listed,
        documents=read_documents(root),
        symlinks=dict(links_out(root)),
        keras_metadata=_keras_metadata(root, limits, problems),
        problems=tuple(dict.fromkeys(problems)),
        limits=limits,
    )


def _file_name(root: Path) -> str:
    for name in ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb", "tfhub_module.pb"):
        if os.path.lexists(root / name):
            return name
    return "saved_model.pb"


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the variants of a module share."""

    root: Path
    kind: Format
    index: Checkpoint | None
    texts: Texts
    limits: ReadLimits


def _bytes(file: Path, limits: ReadLimits, limit: str) -> bytes:
    try:
        data = read_within(file, limits, limit)
    except LimitExceeded as error:
        raise _Unreadable(f"{file.name} cannot be read: {error}", error.fix) from None
    except OSError as error:
        raise _Unreadable(f"{file.name} cannot be read: {error.strerror}", "Make the file readable.") from None
    if data.startswith(_LFS):
        raise _Unreadable(f"{file.name} is a git-LFS pointer, not the file itself", _LFS_FIX)
    return data


def _saved_model(root: Path, limits: ReadLimits) -> tuple[str, Any]:
    binary, text = root / "saved_model.pb", root / "saved_model.pbtxt"
    export_again = "Export the module again, and copy all of its files."
    if os.path.lexists(binary):
        name, data = binary.name, _bytes(binary, limits, "proto_bytes")
    elif os.path.lexists(text):
        name, data = text.name, _bytes(text, limits, "text_bytes")
    elif os.path.lexists(root / "saved_model.cpb"):
        raise _Unreadable(
            "the module is in the chunked form saved_model.cpb only, which most loaders cannot read",
            "Write it as saved_model.pb: export without `experimental_image_format`.",
        )
    else:
        raise _Unreadable("saved_model.pb is missing beside tfhub_module.pb", export_again)
    if not data.strip():
        raise _Unreadable(f"{name} is empty", export_again)
    if name == binary.name:
        check_fields("SavedModel", data, limits)
    try:
        proto = parse("SavedModel", data) if name == binary.name else parse_text("SavedModel", data.decode("utf-8"))
    except (DecodeError, UnicodeDecodeError) as error:
        detail = "" if name == binary.name else f" ({error})"
        raise _Unreadable(
            f"{name} is not a SavedModel: truncated, or another kind of file{detail}", export_again
        ) from None
    if not proto.meta_graphs:
        raise _Unreadable(f"{name} holds no MetaGraph: truncated, or another kind of file", export_again)
    if not 0 <= proto.saved_model_schema_version <= SCHEMA_VERSION:
        raise _Unreadable(
            f"{name} has schema version {proto.saved_model_schema_version}; known are 0 and {SCHEMA_VERSION}",
            "Export with a released version of TensorFlow.",
        )
    return name, proto


def _format(root: Path, proto: Any, limits: ReadLimits) -> Format:
    marker = root / "tfhub_module.pb"
    if not os.path.lexists(marker):
        return "tf2-saved-model" if any(mg.object_graph_def.nodes for mg in proto.meta_graphs) else "tf1-saved-model"
    fix = "Write the two bytes 08 03 into tfhub_module.pb, as every TF1 Hub module has them."
    try:
        definition = parse("ModuleDef", _bytes(marker, limits, "unscanned_bytes"))
    except DecodeError:
        raise _Unreadable("tfhub_module.pb is not a ModuleDef: truncated, or another kind of file", fix) from None
    if definition.format != 3:
        raise _Unreadable(f"tfhub_module.pb declares format {definition.format}; the only known one is 3", fix)
    if definition.required_features:
        names = ", ".join(definition.required_features)
        raise _Unreadable(f"tfhub_module.pb requires features that no reader has: {names}", fix)
    return "tf1-hub"


def _check_size(name: str, proto: Any, limits: ReadLimits) -> None:
    if len(proto.meta_graphs) > limits.variants:
        raise LimitExceeded(limits, "variants", f"MetaGraphs are in {name}")
    nodes = 0
    for meta in proto.meta_graphs:
        nodes += len(meta.graph_def.node)
        nodes += sum(len(function.node_def) for function in meta.graph_def.library.function)
    if nodes > limits.nodes:
        raise LimitExceeded(limits, "nodes", f"nodes are in {name}")


def _checkpoint(root: Path, problems: list[Problem], limits: ReadLimits) -> Checkpoint | None:
    index = root / "variables" / "variables.index"
    if not os.path.lexists(index):
        return None
    try:
        if read_file(index, size=len(_LFS)) == _LFS:
            problems.append(Problem("variables/variables.index is a git-LFS pointer, not the file itself", _LFS_FIX))
            return None
        found = checkpoints.read_index(index, limits)
    except LimitExceeded as error:
        problems.append(Problem(f"variables/variables.index cannot be read: {error}", error.fix))
        return None
    except checkpoints.CheckpointError as error:
        fix = "Copy the checkpoint again from where the module was exported."
        problems.append(Problem(f"variables/variables.index is damaged: {error}", fix))
        return None
    except OSError as error:
        problems.append(Problem(f"variables/variables.index cannot be read: {error.strerror}", "Make it readable."))
        return None
    problems.extend(_shard_problems(index.parent, found))
    return found


def _shard_problems(folder: Path, index: Checkpoint) -> Iterator[Problem]:
    needed: dict[int, int] = {}
    for entry in index.entries.values():
        needed[entry.shard] = max(needed.get(entry.shard, 0), entry.offset + entry.size)
    for shard, size in sorted(needed.items()):
        name = checkpoints.shard_name("variables", shard, index.shards)
        file = folder / name
        fix = "Copy all files of the variables folder from where the module was exported."
        if not file.is_file():
            yield Problem(f"variables/{name} is missing: the checkpoint's weights are in it", fix)
        elif file.stat().st_size < size:
            yield Problem(
                f"variables/{name} is too short: truncated, or a git-LFS pointer",
                fix,
                found=f"{file.stat().st_size:,} bytes",
                wanted=f"at least {size:,} bytes",
            )


def _keras_metadata(root: Path, limits: ReadLimits, problems: list[Problem]) -> bytes | None:
    try:
        return read_within(root / "keras_metadata.pb", limits, "metadata_bytes")
    except LimitExceeded as error:
        problems.append(Problem(f"keras_metadata.pb cannot be read: {error}", error.fix))
        return None
    except OSError:
        return None


def _variant(meta: Any, parts: _Parts, problems: list[Problem]) -> Variant:
    tags = tuple(sorted(set(meta.meta_info_def.tags)))
    collections = dict(meta.collection_def)
    attachments = _attachments(collections, ",".join(tags), problems)
    return Variant(
        tags=tags,
        signatures=from_proto.signatures(meta),
        graph=meta.graph_def,
        saver=meta.saver_def,
        collections=collections,
        attachments=attachments,
        image_size=_image_size(attachments, ",".join(tags), problems),
        assets=tuple(assets(meta, parts.texts, problems)),
        variables=_variables(meta, parts, problems),
        tensorflow_version=meta.meta_info_def.tensorflow_version,
        init_op=from_proto.init_op(meta),
    )


def _attachments(collections: dict[str, Any], variant: str, problems: list[Problem]) -> dict[str, bytes]:
    found = {}
    if ATTACHMENTS in collections:
        for data in collections[ATTACHMENTS].bytes_list.value:
            try:
                attachment = parse("ModuleAttachment", data)
            except DecodeError:
                fix = "Attach messages with the library that writes the module; do not edit the collection."
                problems.append(Problem(f"an entry of collection {ATTACHMENTS} is no ModuleAttachment", fix, variant))
                continue
            found[attachment.key] = attachment.value
    return found


def _image_size(attachments: dict[str, bytes], variant: str, problems: list[Problem]) -> tuple[int, int] | None:
    if IMAGE_MODULE_INFO not in attachments:
        return None
    try:
        size = parse("ImageModuleInfo", attachments[IMAGE_MODULE_INFO]).default_image_size
    except DecodeError:
        fix = "Attach an ImageModuleInfo message with the module's height and width."
        problems.append(Problem(f"attachment {IMAGE_MODULE_INFO} is no ImageModuleInfo", fix, variant))
        return None
    return (size.height, size.width)


def _variables(meta: Any, parts: _Parts, problems: list[Problem]) -> tuple[Variable, ...]:
    if meta.object_graph_def.nodes:
        return object_graph.variables(meta.object_graph_def, _stored_objects(parts, problems))
    if parts.kind == "tf1-hub":
        return collection_variables(meta)
    return restored_variables(meta)


def _stored_objects(parts: _Parts, problems: list[Problem]) -> Any | None:
    index = parts.index
    if index is None:
        return None
    try:
        stored = checkpoints.read_object_graph(index, parts.root / "variables", "variables", parts.limits)
    except LimitExceeded as error:
        problems.append(Problem(f"variables/ cannot be read: {error}", error.fix))
        return None
    lost = stored is None and checkpoints.OBJECT_GRAPH_KEY in index.entries
    if lost and not any(problem.message.startswith("variables/") for problem in problems):
        message = "variables/ is damaged: its list of objects, which says whose weights are where, cannot be read"
        problems.append(Problem(message, "Copy all files of the variables folder from where it was exported."))
    return stored
