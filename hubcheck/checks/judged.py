"""The places of what a module is judged on in findings, and why there is nothing to judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Side, Skip, Where
from hubcheck.graph.entry_points import EntryPoint
from hubcheck.rulebook.interfaces import RESULT, Interface

if TYPE_CHECKING:
    from hubcheck.probe.observations import ProbeTarget


def where_of(interface: Interface, side: Side | None = None, key: str | None = None) -> Where:
    """Return the place of an interface, or of one of its tensors; traces belong to the object, not to a variant."""
    if interface.trace is None:
        return Where(interface.variant.name, None, interface.signature.key, side, key)
    return Where(None, interface.trace.name, None, side, None if side == "outputs" and key == RESULT else key)


def interface_of_entry(context: Context, entry: EntryPoint) -> Interface | None:
    """Return what a signature or trace of the graph is held to, if the module is judged on it."""
    return context.interface(signature=entry.signature, trace=entry.trace)


def interface_of_target(context: Context, target: ProbeTarget) -> Interface | None:
    """Return what a target that was called is held to, if the module is judged on it."""
    objects = context.module.objects
    trace = objects.traces[target.number] if objects is not None and target.trace is not None else None
    return context.interface(signature=target.signature, trace=trace)


def without_callable(context: Context) -> Iterator[Skip]:
    """Yield a Skip where the callable alone counts and there is none to judge, for checks of the whole graph."""
    if context.convention == "saved-model-api" and not context.judged():
        yield nothing_judged(context)


def nothing_judged(context: Context) -> Skip:
    """Return why there is nothing to judge the module on: by whose fault, if any."""
    if context.convention == "saved-model-api":
        need = "module/callable" if context.module.inference is not None else "module/variants"
        return Skip(f"needs {need}", needs=need, blocks=True)
    return Skip("the module has none of the common signatures")
