"""Which reports of earlier runs answer for modules of this one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.engine.findings import Outcome
from hubcheck.engine.reports import ModuleReport
from hubcheck.module.uri import ModuleSource
from hubcheck.rulebook.rules import Rule
from hubcheck.run.cache import Cache, tensorflow_releases

if TYPE_CHECKING:
    from hubcheck.run.options import Options
    from hubcheck.run.resolved import ResolvedOptions

_RUNS = frozenset(
    {"module/loads", "module/servable", "behaviour/runs", "behaviour/batch-size", "device/cpu", "device/gpu"}
)
"""Rules that fail where a run comes to no result. The machine's load may be the reason, so they are asked anew."""

Check = Callable[[Iterable[ModuleSource]], Iterator[ModuleReport]]


def known_or_checked(
    modules: Sequence[ModuleSource],
    options: Options,
    ready: ResolvedOptions,
    check: Check,
    environment: Iterable[str] | None = None,
) -> Generator[ModuleReport, None, None]:
    """The reports in the order of the modules: those that are known, and those that `check` makes of the others.

    `check` is called for the first module that is not known, with all others that are not. `environment` tells
    TensorFlow's releases where they are run, if that is not here.
    """
    assert options.cache is not None
    known = KnownReports(options.cache, options, ready, environment)
    ahead: deque[tuple[ModuleSource, ModuleReport | None]] = deque()
    remaining = iter(modules)

    def unknown() -> Iterator[ModuleSource]:
        yield ahead[0][0]
        for path in remaining:
            report = known.get(path)
            ahead.append((path, report))
            if report is None:
                yield path

    for path in remaining:
        report = known.get(path)
        if report is None:
            ahead.append((path, None))
            break
        yield report
    for checked in check(unknown()) if ahead else ():
        yield from _ready(ahead)
        path, _ = ahead.popleft()
        known.put(path, checked)
        yield checked
    yield from _ready(ahead)


def _ready(ahead: deque[tuple[ModuleSource, ModuleReport | None]]) -> Iterator[ModuleReport]:
    while ahead and ahead[0][1] is not None:
        yield ahead[0][1]
        ahead.popleft()


class KnownReports:
    """The cache, as one run asks it.

    Args:
        folder: where the cache is.
        options: what is asked for.
        ready: what that comes to.
        environment: TensorFlow's releases where modules are run, if that is not here.
    """

    def __init__(
        self, folder: Path, options: Options, ready: ResolvedOptions, environment: Iterable[str] | None = None
    ) -> None:
        self._cache = Cache(folder, _settings(options, ready, environment), static=options.static)
        self._ready = ready
        self._limits = options.limits
        self._keys: dict[ModuleSource, str] = {}

    def get(self, path: ModuleSource) -> ModuleReport | None:
        """The report of a module that has not changed since."""
        begin = time.monotonic()
        key = self._key(path)
        report = self._cache.get(key) if key is not None else None
        if report is not None:
            return replace(report, elapsed_s=round(time.monotonic() - begin, 3), known=True)
        if key is not None:
            self._keys[path] = key
        return None

    def put(self, path: ModuleSource, report: ModuleReport) -> None:
        """Keep a report that another run would give again; not if the module changed while it was looked at."""
        key = self._keys.pop(path, None)
        if key is not None and all(map(_is_settled, report.outcomes)) and self._key(path) == key:
            self._cache.put(key, report)

    def _key(self, path: ModuleSource) -> str | None:
        if not isinstance(path, Path):
            return None  # what is on a server is not known before it is fetched
        if any(isinstance(rule, Rule) and _is_foreign(rule) for rule in self._ready.own):
            return None  # nobody knows all that the code of others reads
        return self._cache.key(path, repr(sorted(self._ready.selected_for(path))), self._limits)


def _is_settled(outcome: Outcome) -> bool:
    failed_in_a_run = outcome.status == "failed" and outcome.decided_by == "probe" and outcome.rule in _RUNS
    partly = outcome.status == "passed" and outcome.reason is not None
    return outcome.complete and outcome.status != "broken" and not failed_in_a_run and not partly


def _settings(options: Options, ready: ResolvedOptions, environment: Iterable[str] | None) -> Iterator[str]:
    # Of what ships with hubcheck the cache knows the files.
    yield repr(ready.own)
    yield repr(dict(options.config.levels) if options.config is not None else {})
    yield repr((sorted(ready.waived), options.static, options.fail_on, options.details, options.limits))
    if not options.static:
        yield repr((options.probe, options.sandbox, options.device, ready.devices))
        yield from tensorflow_releases() if environment is None else environment


def _is_foreign(rule: Rule) -> bool:
    """Whether a rule is decided by code that is not hubcheck's."""
    return any("." in (predicate or "").partition(":")[0] for predicate in (rule.check, rule.probe))
