"""Which calls show what the rules ask: few, since one call serves many rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from hubcheck.contract import SignatureContract, TensorContract
from hubcheck.expectations import contracted_input
from hubcheck.module.types import Module, Signature, Tensor, Trace, Variant
from hubcheck.observations import NotRun, Purpose, Target
from hubcheck.probe import pictures
from hubcheck.probe.plan import CallStep, Condition, Feed, LoadStep, Step

Part = Literal["task", "default", "training"]

_UNKNOWN_SIZE = 96
"""Height and width, in pixels, of images for a module that tells no size."""

_RESIZED_BY = 32
"""So many pixels larger is the second size, where a module leaves its size open: a multiple of usual strides."""

_LARGEST_FIXED_BATCH = 256


_REPETITIONS = 24
"""Calls for statistics of randomness: a mask that drops 5 % of the entries shows on 71 % of them."""

_FEW_PIXELS = 160 * 160
"""Images up to this size are repeated in batches of 4, larger ones in batches of 2."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A target, what it is fed by key, and what of its results is looked at.

    `fixed_batch` is the batch that the module insists on. `part` says what the target is to the rules: a task
    signature in inference is looked at closely; whatever trains is repeated.
    """

    target: Target
    inputs: Mapping[str, Input]
    keep: tuple[str, ...]
    fixed_batch: int | None
    part: Part


@dataclass(frozen=True, slots=True)
class Input:
    """One tensor of a target: its contract's range, its shape without the batch, and which of its axes are open."""

    dtype: str
    row: tuple[int, ...]
    open_axes: tuple[int, ...]
    low: float
    high: float
    flag: bool | None = None


@dataclass(frozen=True, slots=True)
class VariantSteps:
    """How to load a variant, what to call of it, and what to repeat of it."""

    load: LoadStep
    calls: tuple[CallStep, ...]
    repeated: tuple[CallStep, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """The steps for a module by kind, and what cannot be run at all."""

    variants: tuple[VariantSteps, ...]
    serving: tuple[Step, ...]
    not_run: tuple[NotRun, ...]

    def together(self) -> tuple[Step, ...]:
        """Everything for one worker: what trains comes last, for it may change the object."""
        steps: list[Step] = []
        for variant in self.variants:
            steps += [variant.load, *variant.calls, *variant.repeated]
        return (*steps, *self.serving)

    def apart(self) -> tuple[tuple[Step, ...], ...]:
        """The same for two workers that run side by side: calls, and repetitions with serving."""
        calls: list[Step] = []
        repeated: list[Step] = []
        for variant in self.variants:
            calls += [variant.load, *(step for step in variant.calls)]
            calls += [step for step in variant.repeated if step.condition != "always"]
            again = [step for step in variant.repeated if step.condition == "always"]
            if again:
                repeated += [variant.load, *again]
        others = (*repeated, *self.serving)
        return (tuple(calls), others) if others else (tuple(calls),)

    def calls_alone(self) -> tuple[Step, ...]:
        """Only what every device is asked."""
        steps: list[Step] = []
        for variant in self.variants:
            steps += [variant.load, *variant.calls]
        return tuple(steps)


def plan_steps(module: Module, contracts: Mapping[str, SignatureContract], *, larger_batch: int = 5) -> Planned:
    """Load every variant; call the common signatures, the default signature and the callable's traces."""
    variants: list[VariantSteps] = []
    not_run: list[NotRun] = []
    for variant in module.variants:
        found = list(subjects(module, contracts, variant))
        ready = [subject for subject in found if isinstance(subject, Subject)]
        not_run += [subject for subject in found if isinstance(subject, NotRun)]
        made = [step for subject in ready for step in calls(subject, larger_batch=larger_batch)]
        if variant is module.inference:
            made += _losses(module, variant)
        repeated = [step for step in made if step.purpose == "repeated"]
        others = [step for step in made if step.purpose != "repeated"]
        variants.append(VariantSteps(LoadStep(variant.tags), tuple(others), tuple(repeated)))
    return Planned(tuple(variants), tuple(_serving(module, contracts)), tuple(not_run))


def subjects(
    module: Module, contracts: Mapping[str, SignatureContract], variant: Variant
) -> Iterator[Subject | NotRun]:
    """What of a variant is called, and what would be but cannot: with the reason."""
    tasks = [(variant.signatures[key], contract) for key, contract in contracts.items() if key in variant.signatures]
    if not tasks:
        return
    inference = variant is module.inference
    for signature, contract in tasks:
        yield _signature(module, variant, signature, contract, "task" if inference else "training")
    default = variant.signatures.get(module.default_signature)
    if default is not None and not any(_same_tensors(default, signature) for signature, _ in tasks):
        yield _signature(module, variant, default, tasks[0][1], "default" if inference else "training")
    if inference and module.objects is not None:
        for number, trace in enumerate(module.objects.traces):
            yield from _trace(module, variant, number, trace, tasks[0][1])


def calls(subject: Subject, *, larger_batch: int) -> Iterator[CallStep]:
    """The calls of one subject. A module that fixes its batch gets that batch and no other.

    What is the same function as a task signature is called once: equal results say that the rest holds, too.
    """
    fixed, close = subject.fixed_batch, subject.part == "task"
    rows = pictures.rows(larger_batch if fixed is None else fixed)
    yield _call(subject, "pictures", rows)
    if close and fixed is None:
        yield _call(subject, "plain", pictures.PLAIN)
        yield _call(subject, "swapped", (rows[-1], rows[0]))
        if any(feed.open_axes for feed in subject.inputs.values()):
            yield _call(subject, "resized", rows[:2], larger=_RESIZED_BY)
    if fixed is None and subject.target.signature is not None:
        yield _call(subject, "alone", rows[:1])
    if subject.part != "training":
        yield _call(subject, "again", rows, condition="always" if close else "unlike")
    pixels = max((math.prod(feed.row[:2]) for feed in subject.inputs.values() if feed.flag is None), default=0)
    few = pictures.rows(fixed or (4 if pixels <= _FEW_PIXELS else 2))
    condition: Condition = "always" if subject.part == "training" else "random"
    yield _call(subject, "repeated", few, condition=condition, repeat=_REPETITIONS)


def _losses(module: Module, variant: Variant) -> Iterator[CallStep]:
    losses = module.objects.regularization_losses if module.objects is not None else None
    for number, counts in enumerate(losses or ()):
        if counts == (0,):
            yield CallStep(Target(variant.name, number=number), "loss", {}, ("",), 0)


def _serving(module: Module, contracts: Mapping[str, SignatureContract]) -> Iterator[Step]:
    """Load the inference variant as TensorFlow Serving does, and run each signature once."""
    variant = module.inference
    if variant is None:
        return
    yield LoadStep(variant.tags, session=True)
    for subject in subjects(module, contracts, variant):
        if isinstance(subject, Subject) and subject.target.trace is None:
            target = replace(subject.target, session=True)
            rows = pictures.rows(subject.fixed_batch or 1)
            purpose: Purpose = "alone" if subject.fixed_batch is None else "pictures"
            yield _call(replace(subject, target=target), purpose, rows)


def _call(
    subject: Subject,
    purpose: Purpose,
    rows: tuple[str, ...],
    *,
    larger: int = 0,
    condition: Condition = "always",
    repeat: int = 1,
) -> CallStep:
    feeds = {}
    for key, part in subject.inputs.items():
        row = tuple(dim + larger if axis in part.open_axes else dim for axis, dim in enumerate(part.row))
        if part.flag is not None:
            feeds[key] = Feed("bool", (), flag=part.flag)
        else:
            feeds[key] = Feed(part.dtype, (len(rows), *row), rows, part.low, part.high)
    first = next((feed.shape for feed in feeds.values() if feed.pictures), ())
    size = first[1:3] if len(first) == 4 else ()
    optional = purpose == "repeated"
    return CallStep(subject.target, purpose, feeds, subject.keep, len(rows), size, optional, condition, repeat)


def _signature(
    module: Module, variant: Variant, signature: Signature, contract: SignatureContract, part: Part
) -> Subject | NotRun:
    target = Target(variant.name, signature.key)
    given: dict[str, tuple[Tensor, TensorContract]] = {}
    for wanted in contract.inputs.values():
        found = contracted_input(signature, wanted)
        if found is not None:
            given[found[0]] = (found[1], wanted)
    missing = [key for key in signature.inputs if key not in given and key not in signature.defaults]
    if missing:
        return NotRun(target, "", f"it also needs {_quoted(missing)}, for which there is nothing to feed")
    keep = tuple(key for key in signature.outputs if key in contract.outputs)
    if not keep and len(signature.outputs) == 1:
        keep = tuple(signature.outputs)
    return _subject(module, target, given, keep, part)


def _trace(
    module: Module, variant: Variant, number: int, trace: Trace, contract: SignatureContract
) -> Iterator[Subject | NotRun]:
    flags = [name for name, tensor in trace.tensors.items() if tensor.dtype == "bool" and tensor.shape.dims == ()]
    others = [name for name in trace.tensors if name not in flags]
    target = Target(variant.name, None, trace.name, number)
    if len(others) != 1 or len(contract.inputs) != 1 or flags not in ([], ["training"]):
        names = _quoted(trace.tensors) or "no tensor"
        yield NotRun(target, "", f"it takes {names}; only a callable of one batch of images can be fed")
        return
    wanted = next(iter(contract.inputs.values()))
    given = {others[0]: (trace.tensors[others[0]], wanted)}
    if not flags:
        yield _subject(module, target, given, tuple(trace.outputs), "training" if trace.training else "default")
        return
    for value in (False, True):
        flagged = Target(variant.name, None, f"training={value}", number)
        part: Part = "training" if value else "default"
        yield _subject(module, flagged, given, tuple(trace.outputs), part, flags={"training": value})


def _subject(
    module: Module,
    target: Target,
    given: Mapping[str, tuple[Tensor, TensorContract]],
    keep: tuple[str, ...],
    part: Part,
    *,
    flags: Mapping[str, bool] | None = None,
) -> Subject | NotRun:
    inputs: dict[str, Input] = {}
    batches: set[int] = set()
    for key, (tensor, wanted) in given.items():
        if tensor.encoding != "dense":
            return NotRun(target, "", f'its input "{key}" is {tensor.encoding}; only dense tensors can be fed')
        if not pictures.can_make(tensor.dtype):
            return NotRun(target, "", f'its input "{key}" is {tensor.dtype}, for which there is nothing to feed')
        dims = _dims(module, tensor, wanted)
        batches.update(dim for dim in dims[:1] if dim is not None)
        declared = tensor.shape.dims or ()
        open_axes = tuple(
            axis - 1
            for axis in range(1, len(dims))
            if isinstance(wanted.shape[axis] if axis < len(wanted.shape) else 0, str)
            and (axis >= len(declared) or declared[axis] is None)
        )
        low, high = (wanted.low, wanted.high) if wanted.low is not None and wanted.high is not None else (0.0, 1.0)
        inputs[key] = Input(tensor.dtype, tuple(dim or 1 for dim in dims[1:]), open_axes, low, high)
    fixed = next(iter(batches), None)
    if fixed is not None and (len(batches) > 1 or fixed == 0 or fixed > _LARGEST_FIXED_BATCH):
        return NotRun(target, "", f"it fixes its batch to {' and '.join(map(str, sorted(batches)))}")
    inputs.update({key: Input("bool", (), (), 0, 1, flag) for key, flag in (flags or {}).items()})
    return Subject(target, inputs, keep, fixed, part)


def _dims(module: Module, tensor: Tensor, wanted: TensorContract) -> tuple[int | None, ...]:
    """The shape to feed: as declared; what is open is the expected image size, or what the contract says."""
    declared = tensor.shape.dims
    if declared is None:
        declared = (None,) * wanted.rank
    size = dict(zip((1, 2), image_size(module) or (_UNKNOWN_SIZE, _UNKNOWN_SIZE), strict=True))
    filled: list[int | None] = list(declared[:1])
    for axis, dim in enumerate(declared[1:], start=1):
        want = wanted.shape[axis] if axis < wanted.rank else _UNKNOWN_SIZE
        filled.append(dim if dim is not None else want if isinstance(want, int) else size.get(axis, _UNKNOWN_SIZE))
    return tuple(filled)


def image_size(module: Module) -> tuple[int, int] | None:
    """The expected height and width: the attachment's, else those of the default signature's input."""
    inference = module.inference
    if inference is None:
        return None
    if inference.image_size is not None and all(inference.image_size):
        return inference.image_size
    default = inference.signatures.get(module.default_signature)
    for tensor in default.inputs.values() if default is not None else ():
        dims = tensor.shape.dims
        if dims is not None and len(dims) == 4 and dims[1] and dims[2]:
            return dims[1], dims[2]
    return None


def _same_tensors(one: Signature, other: Signature) -> bool:
    """Whether two signatures are the same tensors of the same graph, so that one run serves both."""
    return all(
        {key: tensor.components for key, tensor in getattr(one, side).items()}
        == {key: tensor.components for key, tensor in getattr(other, side).items()}
        for side in ("inputs", "outputs")
    )


def _quoted(names: object) -> str:
    return ", ".join(f'"{name}"' for name in names)  # type: ignore[attr-defined]
