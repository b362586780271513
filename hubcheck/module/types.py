"""The facts about a module, as its files state them. They are immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

from hubcheck.module.formats import Format
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.links import Link
from hubcheck.module.module_files import ModuleFiles
from hubcheck.module.tensors import Checkpoint, Shape, Slice, Tensor
from hubcheck.module.uri import ModuleSource
from hubcheck.util.errors import UserError
from hubcheck.util.record import record


@record
class Signature:
    """A SignatureDef; `defaults` are the inputs with a default value, on which TensorFlow 2.21 insists all the same."""

    key: str
    method_name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    defaults: frozenset[str] = frozenset()


@record
class Asset:
    """A file that the graph reads: its name below `assets/`, and the graph tensor that holds its path.

    `lines` is the number of its lines of text; None for a file that is missing, binary or larger than 4 MiB.
    """

    filename: str
    tensor: str
    lines: int | None = None


class Variable(NamedTuple):
    """A variable that a variant restores.

    `checkpoint_key` is its name in the checkpoint index; None if the object graph of a TF2 checkpoint does not lead
    to it. `slices` are the parts of it that a variant with a partitioned variable restores; empty for a whole one.
    `node` is its number in the object graph, None without one.
    """

    name: str
    dtype: str
    shape: Shape
    checkpoint_key: str | None
    slices: tuple[Slice, ...] = ()
    node: int | None = None


@record(eq=False)
class Variant:
    """A MetaGraph: a GraphDef, a SaverDef; `init_op` names the tensor or node that loaders run after restoring."""

    tags: tuple[str, ...]
    signatures: Mapping[str, Signature]
    graph: Any
    saver: Any
    collections: Mapping[str, Any] = field(default_factory=dict)
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    assets: tuple[Asset, ...] = ()
    variables: tuple[Variable, ...] = ()
    tensorflow_version: str = ""
    init_op: str | None = None

    @property
    def name(self) -> str:
        """The tags as users write them: joined by commas, "" for none."""
        return ",".join(self.tags)

    @property
    def hardware(self) -> str | None:
        """The hardware that the graph is for alone, "TPU" or "GPU", as its tags say; None for any."""
        return next((tag.upper() for tag in self.tags if tag in ("tpu", "gpu")), None)


@record
class Trace:
    """One concrete function of the root's `__call__`; `function` is its name in the graph's library.

    `arguments` maps each parameter (flattened, "x/0" inside structures) to a Tensor, or to the Python value that it was
    traced with. `outputs` maps the paths in the structure of the result to tensors; the path of a lone tensor is "".
    `training` is the value traced for the parameter of that name; None if there is none, or it is a tensor.
    """

    function: str
    arguments: Mapping[str, Tensor | bool | int | float | str | None]
    outputs: Mapping[str, Tensor]
    training: bool | None

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The arguments that are tensors, which callers feed."""
        return {name: value for name, value in self.arguments.items() if isinstance(value, Tensor)}

    @property
    def image_argument(self) -> tuple[str, Tensor] | None:
        """The only tensor it takes, beside a `training` flag and single numbers such as the rate of a dropout."""
        tensors = [(name, tensor) for name, tensor in self.tensors.items() if tensor.shape.dims != ()]
        return tensors[0] if len(tensors) == 1 else None

    @property
    def may_train(self) -> bool:
        """Whether it is for training: traced with training=True, or with a tensor that says so."""
        return bool(self.training) or "training" in self.tensors

    @property
    def name(self) -> str:
        """The name of the trace in reports: "training=True"."""
        return "call" if self.training is None else f"training={self.training}"


@record
class Parameters:
    """The parameters of a restored function, and those that may be left out, with their default values."""

    positional: tuple[str, ...]
    keyword: tuple[str, ...]
    defaults: Mapping[str, bool | int | float | str | None]

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters without a default value."""
        return tuple(name for name in (*self.positional, *self.keyword) if name not in self.defaults)


@record
class Function:
    """A function of the restored object; `parameters` is None if the files do not tell them."""

    traces: tuple[Trace, ...]
    parameters: Parameters | None = None

    @property
    def required(self) -> tuple[str, ...]:
        """The arguments that every call needs."""
        if self.parameters is not None:
            return self.parameters.required
        return min((tuple(trace.arguments) for trace in self.traces), key=len, default=())


@record(eq=False)
class ObjectGraph:
    """The Python object that a TF2 SavedModel restores.

    `proto` is the SavedObjectGraph, `call` the root's `__call__`. `variables` and `trainable_variables` are the node
    ids in the root's lists of these names; None if it has no such list. So is `regularization_losses`, an entry of
    which is None if it is no function.
    """

    proto: Any
    call: Function | None = None
    variables: frozenset[int] | None = None
    trainable_variables: frozenset[int] | None = None
    regularization_losses: tuple[Function | None, ...] | None = None

    @property
    def callable(self) -> bool:
        """Whether the object can be called."""
        return self.call is not None

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The traces of its `__call__`."""
        return self.call.traces if self.call is not None else ()

    @property
    def defaults(self) -> Mapping[str, bool | int | float | str | None]:
        """The default values of the arguments of its `__call__`."""
        return self.call.parameters.defaults if self.call is not None and self.call.parameters is not None else {}


@record
class Problem:
    """A reason why the files are not a readable module, and how to fix it."""

    message: str
    fix: str
    variant: str | None = None
    found: str = ""
    wanted: str = ""


@record
class Archive:
    """The names of an archive's files, and the unsafe members for which it was not unpacked, each with the reason.

    `root` is the folder of the module in it, "" if that is the archive's root.
    """

    files: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    root: str = ""


@record(eq=False)
class Module:
    """The facts about a module that are known before it runs.

    `format` is None if the module could not be read; `problems` has the reasons, and `variants` are there even so if
    the graphs could be parsed. `file` is the name of the proto that was read, `files` are the paths of all files
    relative to the module's folder, `links` those that lead out of it; `documents` are the texts of MODULE.md and
    README.md in or beside it, by relative path. `limits` also bound what is analysed later. `files_at` are the files
    themselves, as long as they exist.
    """

    path: ModuleSource
    format: Format | None
    file: str
    variants: tuple[Variant, ...] = ()
    objects: ObjectGraph | None = None
    checkpoint: Checkpoint | None = None
    files: tuple[str, ...] = ()
    documents: Mapping[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    keras_metadata: bytes | None = None
    problems: tuple[Problem, ...] = ()
    archive: Archive | None = None
    limits: ReadLimits = LIMITS
    files_at: ModuleFiles | None = None

    @property
    def folder(self) -> Path:
        """The folder with the module's files.

        Raises:
            UserError: there is none, since `hubcheck.read` keeps only the facts of archives and modules on servers.
        """
        if self.files_at is None:
            raise UserError(f"{self.path}: its files are gone; unpack or download the module and read its folder")
        return self.files_at.root

    @property
    def unreadable_because(self) -> str:
        """Why the module could not be read, if `format` is None."""
        if self.problems:
            return self.problems[0].message
        links = (link for link in self.links if link.refused)
        refused = [f"the link {link.name} leads {link.refused}, and is not followed" for link in links]
        if self.archive is not None:
            refused += [f"{name} {why}, so the archive was not unpacked" for name, why in self.archive.refused]
        return next(iter(refused), "it cannot be read")

    @property
    def default_signature(self) -> str:
        """The key of the default signature in this format."""
        return "default" if self.format == "tf1-hub" else "serving_default"

    @property
    def inference(self) -> Variant | None:
        """The variant that consumers get by default: the one without tags, or `serve` in SavedModels."""
        wanted = () if self.format == "tf1-hub" else ("serve",)
        return next((variant for variant in self.variants if variant.tags == wanted), None)
