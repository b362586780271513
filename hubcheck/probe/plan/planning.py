"""Which calls show what the rules ask: few, since one call serves many rules."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from hubcheck.module.types import Module, Variant
from hubcheck.probe import test_images as pictures
from hubcheck.probe.observations import NotRun, ProbeTarget, Purpose
from hubcheck.probe.plan.steps import CallStep, Condition, Feed, LoadStep, Step
from hubcheck.probe.plan.targets import TargetSpec, target_specs
from hubcheck.rulebook.contract import SignatureContract

_RESIZED_BY = 32
"""So many pixels larger is the second size, where a module leaves its size open: a multiple of usual strides."""

_REPETITIONS = 24
"""Calls for statistics of randomness: a mask that drops 5 % of the entries shows on 71 % of them."""

_FEW_PIXELS = 160 * 160
"""Images up to this size are repeated in batches of 4, larger ones in batches of 2."""


@dataclass(frozen=True, slots=True)
class VariantSteps:
    """How to load a variant, what to call of it, and what to repeat of it."""

    load: LoadStep
    calls: tuple[CallStep, ...]
    repeated: tuple[CallStep, ...]


@dataclass(frozen=True, slots=True)
class ModuleSteps:
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

    def chosen(
        self, target: ProbeTarget | None, purposes: Collection[str], *, keep: Collection[str] = ()
    ) -> ModuleSteps:
        """Only these calls of this target, unconditionally; with no target, the loads alone.

        Args:
            target: what to call.
            purposes: which of its calls.
            keep: outputs whose values are wanted, too.
        """
        variants = []
        for variant in self.variants:
            steps = [step for step in (*variant.calls, *variant.repeated) if _is(step, target, purposes)]
            if steps or target is None:
                calls = tuple(
                    replace(step, condition="always", optional=False, keep=tuple(dict.fromkeys((*step.keep, *keep))))
                    for step in steps
                )
                variants.append(VariantSteps(variant.load, calls, ()))
        serving = [step for step in self.serving if isinstance(step, CallStep) and _is(step, target, purposes)]
        wanted = bool(serving) or (target is None and "load" in purposes)
        loads = [step for step in self.serving if isinstance(step, LoadStep) and wanted]
        return ModuleSteps(tuple(variants), (*loads, *serving), ())

    def calls_alone(self) -> tuple[Step, ...]:
        """Only what every device is asked."""
        steps: list[Step] = []
        for variant in self.variants:
            steps += [variant.load, *variant.calls]
        return tuple(steps)


def plan_steps(module: Module, contracts: Mapping[str, SignatureContract], *, larger_batch: int = 5) -> ModuleSteps:
    """Load every variant; call the common signatures, the default signature and the callable's traces."""
    variants: list[VariantSteps] = []
    not_run: list[NotRun] = []
    for variant in module.variants:
        found = list(target_specs(module, contracts, variant))
        # Training moves the averages of batch normalisation, which inference then takes: it comes last.
        ready = sorted((one for one in found if isinstance(one, TargetSpec)), key=lambda one: one.part == "training")
        not_run += [spec for spec in found if isinstance(spec, NotRun)]
        made = [step for spec in ready for step in calls(spec, larger_batch=larger_batch)]
        if variant is module.inference:
            made += _losses(module, variant)
        repeated = [step for step in made if step.purpose == "repeated"]
        others = [step for step in made if step.purpose != "repeated"]
        variants.append(VariantSteps(LoadStep(variant.tags), tuple(others), tuple(repeated)))
    return ModuleSteps(tuple(variants), tuple(_serving(module, contracts)), tuple(not_run))


def calls(spec: TargetSpec, *, larger_batch: int) -> Iterator[CallStep]:
    """The calls of one subject. A module that fixes its batch gets that batch and no other.

    What is the same function as a task signature is called once: equal results say that the rest holds, too.
    """
    fixed, close = spec.fixed_batch, spec.part == "task"
    rows = pictures.rows(larger_batch if fixed is None else fixed)
    yield _call(spec, "pictures", rows)
    if close and fixed is None:
        yield _call(spec, "plain", pictures.PLAIN)
        yield _call(spec, "swapped", (rows[-1], rows[0]))
        if any(feed.open_axes for feed in spec.inputs.values()):
            yield _call(spec, "resized", rows[:2], larger=_RESIZED_BY)
    elif fixed is None:
        yield _call(spec, "swapped", (rows[-1], rows[0]), condition="failed")
    if fixed is None and spec.target.signature is not None:
        yield _call(spec, "alone", rows[:1])
    once_more: Condition = "always" if close else "failed" if spec.part == "training" else "unlike"
    yield _call(spec, "again", rows, condition=once_more)
    pixels = max((math.prod(feed.row[:2]) for feed in spec.inputs.values() if feed.flag is None), default=0)
    few = pictures.rows(fixed or (4 if pixels <= _FEW_PIXELS else 2))
    condition: Condition = "always" if spec.part == "training" else "random"
    yield _call(spec, "repeated", few, condition=condition, repeat=_REPETITIONS)


def _is(step: CallStep, target: ProbeTarget | None, purposes: Collection[str]) -> bool:
    return step.target == target and step.purpose in purposes


def _losses(module: Module, variant: Variant) -> Iterator[CallStep]:
    losses = module.objects.regularization_losses if module.objects is not None else None
    for number, counts in enumerate(losses or ()):
        if counts == (0,):
            yield CallStep(ProbeTarget(variant.name, number=number), "loss", {}, ("",), 0)


def _serving(module: Module, contracts: Mapping[str, SignatureContract]) -> Iterator[Step]:
    """Load the inference variant as TensorFlow Serving does, and run each signature once."""
    variant = module.inference
    if variant is None:
        return
    yield LoadStep(variant.tags, session=True)
    for spec in target_specs(module, contracts, variant):
        if isinstance(spec, TargetSpec) and spec.target.trace is None:
            target = replace(spec.target, session=True)
            rows = pictures.rows(spec.fixed_batch or 1)
            purpose: Purpose = "alone" if spec.fixed_batch is None else "pictures"
            yield _call(replace(spec, target=target), purpose, rows)


def _call(
    spec: TargetSpec,
    purpose: Purpose,
    rows: tuple[str, ...],
    *,
    larger: int = 0,
    condition: Condition = "always",
    repeat: int = 1,
) -> CallStep:
    feeds = {}
    for key, part in spec.inputs.items():
        row = tuple(dim + larger if axis in part.open_axes else dim for axis, dim in enumerate(part.row))
        if part.flag is not None:
            feeds[key] = Feed("bool", (), flag=part.flag)
        else:
            feeds[key] = Feed(part.dtype, (len(rows), *row), rows, part.low, part.high)
    first = next((feed.shape for feed in feeds.values() if feed.pictures), ())
    size = first[1:3] if len(first) == 4 else ()
    # Of a slow module, what task signatures do in inference comes first.
    optional = purpose in ("again", "repeated") or spec.part != "task" or spec.target.session
    return CallStep(spec.target, purpose, feeds, spec.keep, len(rows), size, optional, condition, repeat)
