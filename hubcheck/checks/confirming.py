"""Rules that both halves decide: a run confirms what the graph told, and tells by itself only what that did not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import CheckItem, Corroboration, Fault

Check = Callable[..., Iterator[CheckItem]]


def confirming(static: Check) -> Callable[[Check], Callable[..., Iterator[CheckItem]]]:
    """For a check of runs: where `static` has found the fault already, its findings get a remark instead."""

    def wrap(probe: Check) -> Callable[..., Iterator[CheckItem]]:
        def combined(context: Context, **params: Any) -> Iterator[CheckItem]:
            known = [item for item in static(context, **params) if isinstance(item, Fault)]
            seen = list(probe(context, **params))
            if not known:
                yield from seen
                return
            faults = [item for item in seen if isinstance(item, Fault)]
            for fault in known:
                if faults:
                    yield Corroboration(fault.where, f"confirmed by a run: {faults[0].found}")

        combined.__name__, combined.__doc__ = probe.__name__, probe.__doc__
        return combined

    return wrap
