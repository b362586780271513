"""Reading a module's folder: TF1 Hub format, and TF1 and TF2 SavedModels."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hubcheck.module import from_proto, object_graph
from hubcheck.module.assets import AssetLines, assets
from hubcheck.module.field_count import parse_within
from hubcheck.module.formats import Format
from hubcheck.module.from_proto import image_size, read_attachments
from hubcheck.module.limits import LIMITS, LimitExceeded, ReadLimits, read_within
from hubcheck.module.links import OWN_FILES, LeavesModule, LinkPolicy
from hubcheck.module.locate import NotAModule
from hubcheck.module.module_files import ModuleFiles
from hubcheck.module.proto import DecodeError, parse_text
from hubcheck.module.readmes import read_documents, read_documents_beside
from hubcheck.module.types import Module, ObjectGraph, Problem, Variable, Variant
from hubcheck.module.v1_variables import collection_variables, restored_variables
from hubcheck.module.variables_folder import LFS_FIX, LFS_POINTER, VariablesFolder

_MAX_SCHEMA_VERSION = 1
_BINARY, _TEXT, _CHUNKED, _MARKER = "saved_model.pb", "saved_model.pbtxt", "saved_model.cpb", "tfhub_module.pb"
Value = TypeVar("Value")
_EXPORT_AGAIN = "Export the module again, and copy all of its files."


class _Unreadable(Exception):
    def __init__(self, message: str, fix: str) -> None:
        self.problem = Problem(message, fix)


def read(
    path: str | os.PathLike[str],
    limits: ReadLimits = LIMITS,
    links: LinkPolicy | None = OWN_FILES,
    files: ModuleFiles | None = None,
) -> Module:
    """Read all facts about a module from the files in its folder, without running it.

    Nothing is raised for what is in the files: what makes them unreadable is in `Module.problems`, and `format` is None
    if nothing could be read.

    Args:
        path: the module's folder.
        limits: bounds on what is read.
        links: where links in it may lead; None: anywhere.
        files: a snapshot of the folder, to be read in its place.

    Raises:
        NotAModule: none of the files that make a module is in the folder.
    """
    root = Path(path)
    reader = _Reader(root, limits, links, files or ModuleFiles(root, links))
    problems: tuple[Problem, ...] = ()
    try:
        module = reader.or_problem(reader.read, None)
        if module is not None:
            return module
        problems = (reader.problems[-1],)
    except LeavesModule:
        pass  # rule safety/paths says so
    name = next((name for name in (_BINARY, _TEXT, _CHUNKED, _MARKER) if reader.files.has(name)), _BINARY)
    links_out = reader.files.listing(limits).links
    return Module(root, None, name, links=links_out, problems=problems, limits=limits, files_at=reader.files)


class _Reader:
    """Reads one folder. `problems` are those that leave the rest of it readable."""

    def __init__(self, root: Path, limits: ReadLimits, links: LinkPolicy | None, files: ModuleFiles) -> None:
        self.root, self.limits, self.links, self.files = root, limits, links, files
        self.problems: list[Problem] = []
        self.asset_lines = AssetLines(files)
        self.variables_folder = VariablesFolder(files, limits, self.problems)

    def read(self) -> Module:
        name, proto = self._saved_model()
        self._check_size(name, proto)
        # Whatever is wrong beside the graphs, the rules of safety look at them.
        kind = self.or_problem(lambda: self._format(name, proto), None)
        listing = self.files.listing(self.limits)
        if (excess := listing.exceeded) is not None:
            self.problems.append(Problem(f"the module is too large to be read: {excess}", excess.fix))
        graph = next((meta.object_graph_def for meta in proto.meta_graphs if meta.object_graph_def.nodes), None)
        objects = None
        if graph is not None:
            objects = self.or_problem(lambda: object_graph.object_graph(graph, self.limits), ObjectGraph(graph))
        checkpoint = self.variables_folder.checkpoint
        variants = tuple(self._variant(meta, kind) for meta in proto.meta_graphs)
        metadata = self._keras_metadata()
        return Module(
            path=self.root,
            format=kind,
            file=name,
            variants=variants,
            objects=objects,
            checkpoint=checkpoint,
            files=listing.names,
            documents={**read_documents(self.files), **read_documents_beside(self.root, self.links)},
            links=listing.links,
            keras_metadata=metadata,
            problems=tuple(dict.fromkeys(self.problems)),
            limits=self.limits,
            files_at=self.files,
        )

    def or_problem(self, read: Callable[[], Value], otherwise: Value) -> Value:
        """Return what `read` returns; if that is impossible, note why."""
        try:
            return read()
        except LimitExceeded as error:
            self.problems.append(Problem(f"the module is too large to be read: {error}", error.fix))
        except _Unreadable as error:
            self.problems.append(error.problem)
        return otherwise

    def _bytes(self, name: str, limit: str) -> bytes:
        try:
            data = read_within(self.files.path(name), self.limits.limit(limit))
        except LimitExceeded as error:
            raise _Unreadable(f"{name} cannot be read: {error}", error.fix) from None
        except LeavesModule:
            raise
        except OSError as error:
            raise _Unreadable(f"{name} cannot be read: {error.strerror}", "Make the file readable.") from None
        if data.startswith(LFS_POINTER):
            raise _Unreadable(f"{name} is a git-LFS pointer, not the file itself", LFS_FIX)
        return data

    def _saved_model(self) -> tuple[str, Any]:
        if self.files.has(_BINARY):
            name, data = _BINARY, self._bytes(_BINARY, "proto_bytes")
        elif self.files.has(_TEXT):
            name, data = _TEXT, self._bytes(_TEXT, "text_bytes")
        elif self.files.has(_CHUNKED):
            raise _Unreadable(
                f"the module is in the chunked form {_CHUNKED} only, which most loaders cannot read",
                f"Write it as {_BINARY}: export without `experimental_image_format`.",
            )
        elif self.files.has(_MARKER):
            raise _Unreadable(f"{_BINARY} is missing beside {_MARKER}", _EXPORT_AGAIN)
        else:
            raise NotAModule(f"{self.root}: no module here; a module is a folder with {_BINARY} in it")
        if not data.strip():
            raise _Unreadable(f"{name} is empty", _EXPORT_AGAIN)
        proto = self._parsed(name, data)
        if not proto.meta_graphs:
            raise _Unreadable(f"{name} holds no MetaGraph: truncated, or another kind of file", _EXPORT_AGAIN)
        return name, proto

    def _parsed(self, name: str, data: bytes) -> Any:
        message = f"{name} is not a SavedModel: truncated, or another kind of file"
        try:
            if name == _TEXT:
                return parse_text("SavedModel", data.decode("utf-8"))
            return parse_within("SavedModel", data, self.limits)
        except (DecodeError, UnicodeDecodeError) as error:
            raise _Unreadable(f"{message} ({error})" if name == _TEXT else message, _EXPORT_AGAIN) from None

    def _format(self, name: str, proto: Any) -> Format | None:
        version = proto.saved_model_schema_version
        if not 0 <= version <= _MAX_SCHEMA_VERSION:
            raise _Unreadable(
                f"{name} has schema version {version}; supported are 0 and {_MAX_SCHEMA_VERSION}",
                "Export with a released version of TensorFlow.",
            )
        if not self.files.has(_MARKER):
            has_objects = any(meta.object_graph_def.nodes for meta in proto.meta_graphs)
            return "tf2-saved-model" if has_objects else "tf1-saved-model"
        fix = f"Write the two bytes 08 03 into {_MARKER}; all TF1 Hub modules have them."
        data = self._bytes(_MARKER, "metadata_bytes")
        try:
            definition = parse_within("ModuleDef", data, self.limits)
        except DecodeError:
            raise _Unreadable(f"{_MARKER} is not a ModuleDef: truncated, or another kind of file", fix) from None
        if definition.format != 3:
            raise _Unreadable(f"{_MARKER} declares format {definition.format}; only format 3 is supported", fix)
        if definition.required_features:
            names = ", ".join(definition.required_features)
            raise _Unreadable(f"{_MARKER} requires features that no reader supports: {names}", fix)
        return "tf1-hub"

    def _check_size(self, name: str, proto: Any) -> None:
        limit = self.limits.limit("variants")
        if len(proto.meta_graphs) > limit.value:
            raise LimitExceeded(limit, f"MetaGraphs are in {name}")
        graphs = [meta.graph_def for meta in proto.meta_graphs]
        functions = [function for graph in graphs for function in graph.library.function]
        if sum(len(graph.node) for graph in graphs) + sum(len(f.node_def) for f in functions) > self.limits.nodes:
            raise LimitExceeded(self.limits.limit("nodes"), f"nodes are in {name}")

    def _keras_metadata(self) -> bytes | None:
        try:
            return read_within(self.files.path("keras_metadata.pb"), self.limits.limit("metadata_bytes"))
        except LimitExceeded as error:
            self.problems.append(Problem(f"keras_metadata.pb cannot be read: {error}", error.fix))
        except OSError:
            pass
        return None

    def _variant(self, meta: Any, kind: Format | None) -> Variant:
        tags = tuple(sorted(set(meta.meta_info_def.tags)))
        attachments = read_attachments(meta, ",".join(tags), self.problems)
        return Variant(
            tags=tags,
            signatures=from_proto.signatures(meta),
            graph=meta.graph_def,
            saver=meta.saver_def,
            collections=dict(meta.collection_def),
            attachments=attachments,
            image_size=image_size(attachments, ",".join(tags), self.problems),
            assets=tuple(assets(meta, self.asset_lines, self.problems)),
            variables=self._variables(meta, kind),
            tensorflow_version=meta.meta_info_def.tensorflow_version,
            init_op=from_proto.init_op(meta),
        )

    def _variables(self, meta: Any, kind: Format | None) -> tuple[Variable, ...]:
        if meta.object_graph_def.nodes:
            return object_graph.variables(meta.object_graph_def, self.variables_folder.object_graph)
        return collection_variables(meta) if kind == "tf1-hub" else restored_variables(meta)
