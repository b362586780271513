"""Which rules a rule needs: its patterns resolved, and the order in which rules are evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from hubcheck.engine.halves import HalfName
from hubcheck.rulebook.rules import matching


@lru_cache(maxsize=16)
def resolved_needs(
    rules: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...],
) -> Mapping[str, Mapping[HalfName, Sequence[str]]]:
    """Return the rules that each half of each rule needs; every rule comes after those that it needs.

    Args:
        rules: the id of each rule, and its `needs` and `run_needs`. They are the same for all modules of a run.
    """
    patterns = {name: halves for name, *halves in rules}
    needs: dict[str, Mapping[HalfName, Sequence[str]]] = {}

    def place(rule: str, path: tuple[str, ...]) -> None:
        if rule in needs or rule in path:
            return
        static, run = ([other for pattern in half for other in matching(pattern, patterns)] for half in patterns[rule])
        for other in (*static, *run):
            place(other, (*path, rule))
        needs[rule] = {"static": _others(rule, static), "probe": _others(rule, (*static, *run))}

    for rule in patterns:
        place(rule, ())
    return needs


def _others(rule: str, needs: Iterable[str]) -> Sequence[str]:
    return tuple(need for need in dict.fromkeys(needs) if need != rule)
