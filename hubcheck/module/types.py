"""What a module declares: frozen facts, read from its files without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hubcheck.module.formats import Format
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.uri import ModuleSource, Uri
from hubcheck.util.errors import UserError

Encoding = Literal["dense", "sparse", "composite"]

INIT_OP_SIGNATURE = "__saved_model_init_op"
"""A pseudo-signature in which TF2 exporters keep the init op: nothing a consumer calls."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A static shape; `dims` is None when even the rank is unknown, an entry is None when that dimension is."""

    dims: tuple[int | None, ...] | None

    @property
    def rank(self) -> int | None:
        return None if self.dims is None else len(self.dims)

    def compatible(self, other: Shape) -> bool:
        """Whether one tensor could have both shapes."""
        if self.dims is None or other.dims is None:
            return True
        return len(self.dims) == len(other.dims) and all(
            a is None or b is None or a == b for a, b in zip(self.dims, other.dims, strict=True)
        )

    def __str__(self) -> str:
        if self.dims is None:
            return "of unknown rank"
        return "[" + ", ".join("?" if dim is None else str(dim) for dim in self.dims) + "]"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output: what its TensorInfo (or a callable's TensorSpec) says of it.

    `components` are the graph tensors it is made of ("images:0"): one for a dense tensor, three for a
    sparse one, any number for a composite, none for an argument of a traced function.
    """

    dtype: str
    shape: Shape
    encoding: Encoding = "dense"
    components: tuple[str, ...] = ()

    def __str__(self) -> str:
        prefix = "" if self.encoding == "dense" else f"{self.encoding} "
        return f"{prefix}{self.dtype} {self.shape}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A SignatureDef: named inputs to named outputs; `defaults` are inputs that a caller may leave out."""

    key: str
    method_name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    defaults: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that the graph reads, by the name it has below `assets/`, and the graph tensor that names it.

    `lines` counts its lines of text; None for a file that is missing, binary or beyond 4 MiB.
    """

    filename: str
    tensor: str
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a variant restores.

    `checkpoint_key` is its name in the checkpoint index, or None when a TF2 checkpoint's own object graph
    does not lead to it.
    """

    name: str
    dtype: str
    shape: Shape
    checkpoint_key: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One MetaGraph. `graph` is its GraphDef message, as parsed; `saver` its SaverDef.

    `init_op` is the tensor or node of the init-op pseudo-signature, which loaders run after restoring.
    """

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
        """The tag set as users write it: "" for the empty one, else tags joined by commas."""
        return ",".join(self.tags)


@dataclass(frozen=True, slots=True)
class Trace:
    """One concrete function of the root's `__call__`.

    `arguments` maps the parameter's name (flattened, "x/0" inside structures) to a Tensor or to the Python
    value it was traced with; `outputs` maps "" to the result when it is one tensor, else each path of the
    result's structure. `function` is its name in the graph's library, `training` the value traced for a
    parameter of that name (None: no such parameter, or it is a tensor).
    """

    function: str
    arguments: Mapping[str, Tensor | bool | int | float | str | None]
    outputs: Mapping[str, Tensor]
    training: bool | None

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The arguments that are tensors: what a caller feeds."""
        return {name: value for name, value in self.arguments.items() if isinstance(value, Tensor)}

    @property
    def image_argument(self) -> tuple[str, Tensor] | None:
        """The only tensor it takes, beside a `training` flag and single numbers such as the rate of a dropout."""
        tensors = [(name, tensor) for name, tensor in self.tensors.items() if tensor.shape.dims != ()]
        return tensors[0] if len(tensors) == 1 else None

    @property
    def name(self) -> str:
        """How reports name the trace: "training=True"."""
        return "call" if self.training is None else f"training={self.training}"


@dataclass(frozen=True, slots=True, eq=False)
class ObjectGraph:
    """The Python object that a TF2 SavedModel restores.

    `proto` is the SavedObjectGraph as parsed. `variables` and `trainable_variables` are node ids of the
    lists that the root carries under these names, None where it carries none. `regularization_losses` holds,
    for each entry of that list, how many arguments each of its traces takes.
    """

    proto: Any
    traces: tuple[Trace, ...] = ()
    callable: bool = False
    variables: frozenset[int] | None = None
    trainable_variables: frozenset[int] | None = None
    regularization_losses: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class CheckpointEntry:
    """One tensor of a checkpoint: where it lies and what it is. Sizes are bytes."""

    dtype: str
    shape: Shape
    shard: int
    offset: int
    size: int
    crc32c: int
    sliced: bool = False

    @property
    def elements(self) -> int:
        count = 1
        for dim in self.shape.dims or ():
            count *= dim or 0
        return count


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The index of a V2 checkpoint (`variables/variables.index`)."""

    entries: Mapping[str, CheckpointEntry]
    shards: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why the files are not a readable module: one sentence, and what to do about it."""

    message: str
    fix: str
    variant: str | None = None
    found: str = ""
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """What is in an archive: its files by name, and the members for which it was not unpacked, each with the reason.

    `root` is the folder in which the module lies, "" where it is the archive's own.
    """

    files: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    root: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """Everything hubcheck knows of a module before it runs.

    `file` is the name of the proto that was read. `format` is None, and `variants` empty, when `problems`
    says that it could not be. `files` are the module's files, relative to its root;
    `documents` the texts for people in or beside it (MODULE.md, README.md). `symlinks` leave the module:
    links that resolve to a place outside its root, each with that place. `keras_metadata` is the content of
    keras_metadata.pb. A module that comes as an `archive` is unpacked: `folder` is where, `path` is the archive. One
    that comes from a server is laid out there, too, and `path` is its URI.
    `limits` are those it was read with, which bound what is looked at later, too.
    """

    path: ModuleSource
    format: Format | None
    file: str
    variants: tuple[Variant, ...] = ()
    objects: ObjectGraph | None = None
    checkpoint: Checkpoint | None = None
    files: tuple[str, ...] = ()
    documents: Mapping[str, str] = field(default_factory=dict)
    symlinks: Mapping[str, str] = field(default_factory=dict)
    keras_metadata: bytes | None = None
    problems: tuple[Problem, ...] = ()
    archive: Archive | None = None
    unpacked: Path | None = None
    limits: ReadLimits = LIMITS

    @property
    def folder(self) -> Path:
        """Where the files are.

        Raises:
            UserError: they are gone, since `hubcheck.read` keeps only the facts of archives and modules on servers.
        """
        if self.unpacked is None and (self.archive is not None or isinstance(self.path, Uri)):
            raise UserError(f"{self.path}: its files are gone; unpack or download the module and read its folder")
        return self.unpacked or Path(self.path)

    @property
    def default_signature(self) -> str:
        """The key of the default signature in this format."""
        return "default" if self.format == "tf1-hub" else "serving_default"

    @property
    def inference(self) -> Variant | None:
        """The variant that a consumer gets unasked: the empty tag set, or `serve` in SavedModels."""
        wanted = () if self.format == "tf1-hub" else ("serve",)
        return next((variant for variant in self.variants if variant.tags == wanted), None)
