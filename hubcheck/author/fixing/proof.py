"""Proof that a rebuilt module computes what its source does: both run on the same images, in isolated workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hubcheck.author.errors import AuthorError
from hubcheck.author.fixing.changes import undone
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Module
from hubcheck.probe import tolerances
from hubcheck.probe.observations import ProbeTarget, Run
from hubcheck.probe.options import ProbeOptions
from hubcheck.probe.plan.module_steps import ModuleSteps, VariantSteps
from hubcheck.probe.plan.steps import CallStep, InputSpec, LoadStep
from hubcheck.probe.pool import Pool, ProbeError, SandboxUnavailable
from hubcheck.probe.test_images import VARIED
from hubcheck.util.numbers import difference

if TYPE_CHECKING:
    from hubcheck.sandbox.policy import Mode

_IMAGES = (*VARIED[:4], "black", "white")
_SIXTEEN_BITS = ("float16", "bfloat16")


class NotProven(AuthorError):
    """The rebuilt module does not compute what its source does, or that cannot be shown."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing was written: {reason}")


class ComparedOutput(NamedTuple):
    """An output of the source and the one of the result that takes its place.

    `change` is what was done to it: the name of an activation that was removed, or how features were pooled.
    """

    signature: str
    key: str
    new_signature: str
    new_key: str
    change: str | None = None


class SourceInput(NamedTuple):
    """How the source takes images; see InputSpec. `size` is their height and width in pixels."""

    name: str
    tensor: Tensor
    size: tuple[int, int]
    low: float
    high: float
    color: tuple[tuple[float, ...], ...]
    constants: Mapping[str, tuple[str, Any]]


def prove(
    source: Module,
    result: Module,
    inputs: Mapping[str, SourceInput],
    outputs: Sequence[ComparedOutput],
    *,
    sandbox: Mode | None = None,
) -> float:
    """Return the largest difference between outputs for the same images, relative to the output's largest value.

    Args:
        source: the module that was fixed.
        result: what was made of it.
        inputs: how the signatures of the source take images.
        outputs: what to compare.
        sandbox: how the runs are isolated.

    Raises:
        NotProven: an output differs, or one of the modules does not run.
    """
    calls = {key: list(_source_calls(source, key, one, outputs)) for key, one in inputs.items()}
    batches = {step.images for steps in calls.values() for step in steps}
    size = next(iter(inputs.values())).size
    new_calls = [
        CallStep(
            ProbeTarget(_variant(result), task),
            "pictures",
            {"images": InputSpec("float32", (len(images), *size, 3), images)},
            tuple(output.new_key for output in outputs if output.new_signature == task),
            len(images),
            size,
        )
        for task in dict.fromkeys(output.new_signature for output in outputs)
        for images in sorted(batches)
    ]
    old_steps = _steps(source, [step for steps in calls.values() for step in steps])
    before, after = run_both((source, old_steps), (result, _steps(result, new_calls)), sandbox)
    old, new = ({(str(run.target.signature), run.images): run for run in runs} for runs in (before, after))
    worst = 0.0
    for output in outputs:
        for images in sorted(batches):
            run = old.get((output.signature, images))
            if run is not None:
                worst = max(worst, compare(output, run, new[output.new_signature, images]))
    return worst


def run_both(
    source: tuple[Module, ModuleSteps], result: tuple[Module, ModuleSteps], sandbox: Mode | None
) -> tuple[Sequence[Run], Sequence[Run]]:
    """Return the runs of the source and of the result.

    Raises:
        NotProven: a call failed, or was not made.
    """
    runs = []
    try:
        with Pool(sandbox=sandbox) as pool:
            futures = [pool.submit_steps(*job, ProbeOptions()) for job in (source, result)]
            for name, future in zip(("the module", "the result"), futures, strict=True):
                observations = future.result()
                failures = [load.failure for load in observations.loads] + [run.failure for run in observations.runs]
                if failure := next(filter(None, failures), None):
                    raise NotProven(f"{name} does not run: {failure.message}")
                for entry in observations.not_run:
                    raise NotProven(f"{name} was not run: {entry.reason}")
                runs.append(observations.runs)
    except (ProbeError, SandboxUnavailable) as error:
        raise NotProven(f"modules cannot be run here to prove that both compute the same: {error}") from error
    return runs[0], runs[1]


def _source_calls(
    source: Module, signature: str, images: SourceInput, outputs: Sequence[ComparedOutput]
) -> Iterator[CallStep]:
    """Yield calls of a signature of the source, in batches of the size that it fixes, if any."""
    dims = images.tensor.shape.dims or ()
    fixed = dims[0] if dims else None
    names: tuple[str, ...] = _IMAGES
    size = fixed or len(names)
    names = (names * -(-size // len(names)))[: max(size, len(names) // size * size)]
    keep = tuple(output.key for output in outputs if output.signature == signature)
    channels = dims[3] or 3
    for start in range(0, len(names), size):
        batch = names[start : start + size]
        shape = (size, *images.size, channels)
        spec = InputSpec(images.tensor.dtype, shape, batch, images.low, images.high, color=images.color)
        values = {key: InputSpec(dtype, (), value=value) for key, (dtype, value) in images.constants.items()}
        target = ProbeTarget(_variant(source), signature, session=is_tensorflow_1(source))
        yield CallStep(target, "pictures", {images.name: spec, **values}, keep, size, images.size)


def is_tensorflow_1(module: Module) -> bool:
    """Return whether consumers load a module with a session, in which its inputs may have any name."""
    return module.format != "tf2-saved-model"


def _variant(module: Module) -> str:
    assert module.inference is not None
    return module.inference.name


def _steps(module: Module, calls: Sequence[CallStep]) -> ModuleSteps:
    assert module.inference is not None
    session = any(call.target.session for call in calls)
    load = LoadStep(module.inference.tags, session=session)
    return (
        ModuleSteps((), (load, *calls), ()) if session else ModuleSteps((VariantSteps(load, tuple(calls), ()),), (), ())
    )


def compare(output: ComparedOutput, before: Run, after: Run, *, scaled: bool = False) -> float:
    """Return how far an output is from what it should be, as a share of its largest value.

    Args:
        output: what is compared.
        before: the run of the source.
        after: that of the result.
        scaled: a constant factor between both does not count: that of a dropout which was removed.

    Raises:
        NotProven: that is too far.
    """
    old, new = before.outputs[output.key], after.outputs[output.new_key]
    what = f'"{output.key}" of {output.signature} and "{output.new_key}" of {output.new_signature}'
    if old.values is None or new.values is None:
        raise NotProven(f"{what} have no values to compare")
    wanted, found = undone(output.change, old.values, new.values)
    if wanted.shape != found.shape:
        raise NotProven(f"{what} have the shapes {list(old.shape)} and {list(new.shape)}")
    if scaled and (found * found).sum() > 0:
        found = found * ((wanted * found).sum() / (found * found).sum())
    limit = tolerances.SIXTEEN_BITS if old.dtype in _SIXTEEN_BITS else tolerances.SAME_FUNCTION
    apart = difference(wanted, found)
    if apart > limit:
        raise NotProven(f"{what} differ by {apart:.2g} of the largest value on the same images")
    return apart
