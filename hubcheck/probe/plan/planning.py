"""Decide which calls answer what the rules ask: few, since one call serves many rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from hubcheck.module.types import Module, Variant
from hubcheck.probe import test_images
from hubcheck.probe.observations import CONSTANT, NotRun, ProbeTarget, Purpose
from hubcheck.probe.plan.module_steps import ModuleSteps, VariantSteps
from hubcheck.probe.plan.steps import CallStep, Condition, InputSpec, LoadStep, Step
from hubcheck.probe.plan.targets import TargetSpec, target_specs
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention

_RESIZED_BY = 32
"""Pixels by which the second image size is larger, if a module leaves its size open: a multiple of usual strides."""

_REPETITIONS = 24
"""Calls for statistics of randomness: a mask that drops 5 % of the entries is observed on 71 % of them."""

MANY = 33
"""Images in the largest batch: more than the 32 of a batch size that was fixed by accident."""

_FEW_PIXELS = 160 * 160
"""Images up to this size are repeated in batches of 4, larger ones in batches of 2."""


def plan_steps(
    module: Module,
    contracts: Mapping[str, SignatureContract],
    *,
    larger_batch: int = 5,
    convention: Convention = DEFAULT_CONVENTION,
    may_vary: Callable[[ProbeTarget], bool] = lambda target: True,
) -> ModuleSteps:
    """Plan to load every variant and to call the common signatures, the default signature and the callable's traces.

    Where the module is judged on its callable, that is called instead of the common signatures. Variants for one kind
    of hardware are left out, and repetitions of targets that train and have the same results each time, by `may_vary`.
    """
    variants: list[VariantSteps] = []
    not_run: list[NotRun] = []
    for variant in module.variants:
        if variant.hardware is not None:
            continue
        specs = list(target_specs(module, contracts, variant, convention))
        not_run += [spec for spec in specs if isinstance(spec, NotRun)]
        # Training comes last, because it updates the moving averages of batch normalization that inference uses.
        callable_specs = sorted(
            (spec for spec in specs if isinstance(spec, TargetSpec)), key=lambda spec: spec.role == "training"
        )
        calls = [
            step
            for spec in callable_specs
            for step in _calls(spec, larger_batch=larger_batch)
            if not (step.purpose == "repeated" and step.condition == "always") or may_vary(step.target)
        ]
        # The largest batches may need more memory than there is.
        calls.sort(key=lambda step: step.purpose == "many")
        if variant is module.inference:
            calls += _losses(module, variant)
        repeated = tuple(step for step in calls if step.purpose == "repeated")
        others = tuple(step for step in calls if step.purpose != "repeated")
        reloaded = tuple(step for spec in callable_specs for step in _reloaded(spec, larger_batch=larger_batch))
        gradients = tuple(_gradients(module, variant, callable_specs, larger_batch=larger_batch))
        variants.append(VariantSteps(LoadStep(variant.tags), others, repeated, reloaded, gradients))
    return ModuleSteps(tuple(variants), tuple(_serving(module, contracts, convention)), tuple(not_run))


def _calls(spec: TargetSpec, *, larger_batch: int) -> Iterator[CallStep]:
    """Yield the calls of one target. A module with a fixed batch size is called with that size only.

    Targets other than task signatures get fewer calls: equal results show that they are the same function.
    """
    fixed, is_task = spec.fixed_batch, spec.role == "task"
    images = test_images.batch(larger_batch if fixed is None else fixed)
    yield _call(spec, "pictures", images)
    if fixed is None:
        if is_task:
            yield _call(spec, "three", test_images.THREE)
        needed: Condition = "always" if is_task else "failed"
        yield _call(spec, "swapped", (images[-1], images[0]), condition=needed)
        yield _call(spec, "alone", images[:1], condition="failed" if spec.target.signature is None else "always")
        for size in (2, 3, larger_batch):
            yield _call(spec, "copies", images[:1] * size, condition="refused")
    if is_task:
        for size in (1, 2, 3, larger_batch) if fixed is None else (fixed,):
            for constant in CONSTANT:
                yield _call(spec, constant, (constant,) * size, condition="fits")
        if fixed is None and any(tensor.open_axes for tensor in spec.inputs.values()):
            yield _call(spec, "resized", images[:2], enlarge=_RESIZED_BY)
        if fixed is None:
            yield _call(spec, "many", test_images.batch(MANY))
    again: Condition = "always" if is_task else "failed" if spec.role == "training" else "unlike"
    yield _call(spec, "again", images, condition=again)
    pixels = max((math.prod(tensor.row[:2]) for tensor in spec.inputs.values() if tensor.value is None), default=0)
    few = test_images.batch(fixed or (4 if pixels <= _FEW_PIXELS else 2))
    condition: Condition = "always" if spec.role == "training" else "random"
    yield _call(spec, "repeated", few, condition=condition, repeat=_REPETITIONS)


def _reloaded(spec: TargetSpec, *, larger_batch: int) -> Iterator[CallStep]:
    """Yield what a second load is asked: other images first, then those that the first load was asked first."""
    if spec.role == "task":
        before = test_images.THREE[:2] if spec.fixed_batch is None else test_images.THREE[:1] * spec.fixed_batch
        yield _call(spec, "before", before, condition="stateful")
        yield _call(spec, "reloaded", test_images.batch(spec.fixed_batch or larger_batch), condition="stateful")


def _gradients(module: Module, variant: Variant, specs: Sequence[TargetSpec], *, larger_batch: int) -> Iterator[Step]:
    """Yield the calls that compute gradients: of a trace for inference and one for training, or of TF1's training."""
    if module.objects is not None:
        traces = [spec for spec in specs if spec.target.trace is not None]
        chosen = [
            next((spec for spec in traces if (spec.role == "training") is training), None) for training in (False, True)
        ]
    elif variant is not module.inference:
        yield LoadStep(variant.tags, session=True)
        chosen = [replace(spec, target=replace(spec.target, session=True)) for spec in specs[:1]]
    else:
        chosen = []
    for spec in chosen:
        if spec is not None:
            sizes = (3, larger_batch, 2, 1) if spec.fixed_batch is None else (spec.fixed_batch,)
            for size in sizes:
                images = (test_images.WITH_CONSTANT * size)[:size]
                condition: Condition = "always" if size == sizes[0] else "first"
                yield _call(replace(spec, keep=()), "gradients", images, condition=condition)


def _losses(module: Module, variant: Variant) -> Iterator[CallStep]:
    losses = module.objects.regularization_losses if module.objects is not None else None
    for number, loss in enumerate(losses or ()):
        if loss is not None and loss.traces and not loss.required:
            yield CallStep(ProbeTarget(variant.name, number=number), "loss", {}, ("",), 0)


def _serving(module: Module, contracts: Mapping[str, SignatureContract], convention: Convention) -> Iterator[Step]:
    """Yield the steps that load the inference variant as TensorFlow Serving does and call each signature once."""
    variant = module.inference
    if variant is None or variant.hardware is not None:
        return
    yield LoadStep(variant.tags, session=True)
    for spec in target_specs(module, contracts, variant, convention):
        if isinstance(spec, TargetSpec) and spec.target.trace is None:
            target = replace(spec.target, session=True)
            purpose: Purpose = "alone" if spec.fixed_batch is None else "pictures"
            yield _call(replace(spec, target=target), purpose, test_images.batch(spec.fixed_batch or 1))


def _call(
    spec: TargetSpec,
    purpose: Purpose,
    images: tuple[str, ...],
    *,
    enlarge: int = 0,
    condition: Condition = "always",
    repeat: int = 1,
) -> CallStep:
    inputs = {}
    for key, tensor in spec.inputs.items():
        row = tuple(dim + enlarge if axis in tensor.open_axes else dim for axis, dim in enumerate(tensor.row))
        if tensor.value is not None:
            inputs[key] = InputSpec(tensor.dtype, (), value=tensor.value)
        else:
            inputs[key] = InputSpec(tensor.dtype, (len(images), *row), images, tensor.low, tensor.high)
    first = next((made.shape for made in inputs.values() if made.images), ())
    size = first[1:3] if len(first) == 4 else ()
    # What task signatures do in inference comes first where a module is slow.
    optional = (
        purpose in ("many", "again", "repeated", "before", "reloaded") or spec.role != "task" or spec.target.session
    )
    return CallStep(spec.target, purpose, inputs, spec.keep, len(images), size, optional, condition, repeat)
