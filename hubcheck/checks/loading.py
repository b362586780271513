"""Whether TensorFlow loads a module, and if not, what in its files is the cause."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from dataclasses import replace

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.targets import failure_fix, failure_text, unanswered
from hubcheck.module.types import Signature
from hubcheck.probe.observations import Failure, Load, Observations
from hubcheck.util.text import conjunction


def loads(context: Context, observations: Observations) -> Iterator[CheckItem]:
    """TensorFlow's object loader restores every variant."""
    seen = set()
    for load in (load for load in observations.loads if not load.session):
        yield Checked()
        if load.device == observations.device:
            seen.add(load.variant)
            if load.failure is not None:
                yield _fault(context, load, load.failure)
    variants = (variant.name for variant in context.module.variants if variant.hardware is None)
    not_loaded = [name or "for inference" for name in variants if name not in seen]
    reasons = (entry.reason for entry in observations.not_run if entry.device == observations.device)
    reason = next(reasons, None)
    if not_loaded and reason is not None:
        yield Skip(f"variant {not_loaded[0]} was not loaded: {reason}", incomplete=True)
    yield unanswered(context, observations, "it was not loaded")


def _fault(context: Context, load: Load, failure: Failure) -> Fault:
    variant = next((variant for variant in context.module.variants if variant.name == load.variant), None)
    signatures = variant.signatures.values() if variant is not None else ()
    place, found = next(_in_files(failure, signatures), (Where(), failure_text(failure)))
    return Fault(
        replace(place, variant=load.variant),
        found,
        "a module that loads",
        replay=("--variant", load.variant, "--calls", "load"),
        fix=failure_fix(failure),
    )


def _in_files(failure: Failure, signatures: Iterable[Signature]) -> Iterator[tuple[Where, str]]:
    """Yield the places of a failure's cause, and what it is, where the signatures show it."""
    for signature in signatures:
        if failure.kind == "keyword":
            for key in filter(keyword.iskeyword, signature.inputs):
                found = f'the input "{key}" of the signature {signature.key} is called like a keyword of Python'
                yield Where(None, None, signature.key, "inputs", key), found
        if failure.kind == "shared":
            keys: dict[tuple[str, ...], list[str]] = {}
            for key, tensor in signature.inputs.items():
                keys.setdefault(tensor.components, []).append(f'"{key}"')
            for components, names in keys.items():
                if len(names) > 1:
                    found = f"the inputs {conjunction(names)} of the signature {signature.key} are one tensor"
                    yield Where(None, None, signature.key, "inputs"), f"{found}, {', '.join(components)}"
