"""Rules that both halves decide: where the files show the fault already, a run corroborates it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import CheckItem, Corroboration, Fault

if TYPE_CHECKING:
    from hubcheck.probe.observations import Observations

ProbeCheck = Callable[..., Iterator[CheckItem]]


def corroborating(check: ProbeCheck) -> ProbeCheck:
    """Turn the faults of a probe check into corroborations where the static half of its rule found the fault."""

    @functools.wraps(check)
    def corroborated(context: Context, observations: Observations, **params: Any) -> Iterator[CheckItem]:
        items = check(context, observations, **params)
        if not context.found_in_files:
            yield from items
            return
        fault = next((item for item in items if isinstance(item, Fault)), None)
        if fault is not None:
            for where in context.found_in_files:
                yield Corroboration(where, "confirmed by a run" + ("" if fault.varies else f": {fault.found}"))

    return corroborated
