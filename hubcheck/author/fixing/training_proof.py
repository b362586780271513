"""Proof that a rebuilt module trains as its source does: both graphs for training give the same, without noise."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.author.fixing.proof import ComparedOutput, NotProven, SourceInput, compare, run_both
from hubcheck.author.fixing.twin import draws, twin
from hubcheck.module.types import Module
from hubcheck.probe.observations import ProbeTarget
from hubcheck.probe.plan.module_steps import ModuleSteps
from hubcheck.probe.plan.steps import CallStep, InputSpec, LoadStep
from hubcheck.probe.test_images import VARIED

if TYPE_CHECKING:
    from hubcheck.sandbox.policy import Mode

_IMAGES = VARIED[:4]
_TRAIN = "train"


def prove_training(
    source: Module,
    result: Module,
    images: SourceInput,
    output: ComparedOutput,
    *,
    sandbox: Mode | None,
) -> float:
    """Return how far the results of the graphs for training are apart, as a share of the largest value.

    Where random numbers are drawn, copies of both modules are run in which these are one constant; a factor between the
    results does not count then: that of dropout on the output, which was removed. A TF2 module is called for inference
    once more afterwards: updates of batch normalization must have been the same.

    Args:
        source: the module that was fixed.
        result: what was made of it.
        images: how the source takes images.
        output: the result of the default signature in both.
        sandbox: how the runs are isolated.

    Raises:
        NotProven: they differ too much, or cannot be compared.
    """
    dims = images.tensor.shape.dims or (None,) * 4
    names = (_IMAGES * -(-(dims[0] or 4) // 4))[: dims[0] or 4]
    shape = (len(names), *images.size, dims[3] or 3)
    spec = InputSpec(images.tensor.dtype, shape, names, images.low, images.high, color=images.color)
    new_spec = InputSpec("float32", (*shape[:3], 3), names)
    with tempfile.TemporaryDirectory(prefix="hubcheck-twins-") as folder, _quiet(source, result, Path(folder)) as both:
        old, old_key = _steps(both[0], output.signature, output.key, spec)
        new, new_key = _steps(both[1], output.new_signature, output.new_key, new_spec)
        before, after = run_both((both[0], old), (both[1], new), sandbox)
        trained = output._replace(signature="training", key=old_key, new_signature="training", new_key=new_key)
        apart = compare(trained, before[0], after[0], scaled=both[0] is not source)
        for run, other in zip(before[1:], after[1:], strict=False):
            compare(output, run, other)
    return apart


@contextmanager
def _quiet(source: Module, result: Module, folder: Path) -> Iterator[tuple[Module, Module]]:
    """Yield both modules, or copies of them without random numbers."""
    if not draws(source) and not draws(result):
        yield source, result
        return
    yield twin(source, folder / "source"), twin(result, folder / "result")


def _steps(module: Module, signature: str, key: str, spec: InputSpec) -> tuple[ModuleSteps, str]:
    """Return a call for training, and where the callable is called, one for inference; and the result's key."""
    assert module.inference is not None
    size = spec.shape[1:3]
    if module.objects is None:
        variant = next(variant for variant in module.variants if _TRAIN in variant.tags)
        (name,) = variant.signatures[signature].inputs
        target = ProbeTarget(variant.name, signature, session=True)
        call = CallStep(target, "pictures", {name: spec}, (key,), spec.shape[0], size)
        return ModuleSteps((), (LoadStep(variant.tags, session=True), call), ()), key
    number, trace = next((number, trace) for number, trace in enumerate(module.objects.traces) if trace.training)
    assert trace.image_argument is not None
    target = ProbeTarget(module.inference.name, None, trace.name, number)
    (path,) = trace.outputs if len(trace.outputs) == 1 else (key,)
    inputs = {trace.image_argument[0]: spec}
    for name, tensor in trace.tensors.items():
        if name not in inputs:
            value = module.objects.defaults.get(name)
            if not isinstance(value, bool | int | float):
                raise NotProven(f'its callable needs a value for "{name}" in training')
            inputs[name] = InputSpec(tensor.dtype, (), value=value)
    call = CallStep(target, "pictures", inputs, (path,), spec.shape[0], size)
    (name,) = module.inference.signatures[signature].inputs
    still = ProbeTarget(module.inference.name, signature)
    again = CallStep(still, "again", {name: spec}, (key,), spec.shape[0], size)
    return ModuleSteps((), (LoadStep(module.inference.tags), call, again), ()), path
