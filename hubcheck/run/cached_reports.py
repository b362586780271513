"""Reports of earlier runs, for modules that have not changed since."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hubcheck.engine.findings import Outcome
from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.uri import ModuleSource
from hubcheck.rulebook.rules import Rule
from hubcheck.run.cache import Cache, tensorflow_releases
from hubcheck.run.resolved import Keep, ResolvedOptions

_RUN_RULES = frozenset(
    {"module/loads", "module/servable", "behaviour/runs", "behaviour/batch-size", "device/cpu", "device/gpu"}
)
"""Rules that fail when a run has no result. The machine's load may be the reason, so they are checked again."""

Check = Callable[[Iterable[ModuleSource], Keep], Iterator[ModuleReport]]


def cached_or_checked(
    modules: Sequence[ModuleSource], plan: ResolvedOptions, check: Check, environment: Iterable[str] | None = None
) -> Generator[ModuleReport, None, None]:
    """Yield reports in the order of the modules: cached ones, and those that `check` makes of the other modules.

    Args:
        modules: where the modules are.
        plan: what to check, and how.
        check: called at most once, with all modules that are not cached, and what keeps each report once it is made.
        environment: TensorFlow's releases where modules are run, if that is not here.
    """
    cached = CachedReports(plan, environment)
    ahead: deque[tuple[ModuleSource, ModuleReport | None]] = deque()
    found = ((source, cached.get(source)) for source in modules)

    def unknown() -> Iterator[ModuleSource]:
        yield ahead[0][0]
        for source, report in found:
            ahead.append((source, report))
            if report is None:
                yield source

    def leading() -> Iterator[ModuleReport]:
        while ahead and ahead[0][1] is not None:
            yield ahead[0][1]
            ahead.popleft()

    for source, report in found:
        if report is None:
            ahead.append((source, None))
            break
        yield report
    for checked in check(unknown(), cached.put) if ahead else ():
        yield from leading()
        ahead.popleft()
        yield checked
    yield from leading()


class CachedReports:
    """The cache, for one run.

    Args:
        plan: what to check, and how; its options name the cache's folder.
        environment: TensorFlow's releases where modules are run, if that is not here.
    """

    def __init__(self, plan: ResolvedOptions, environment: Iterable[str] | None = None) -> None:
        assert plan.options.cache is not None
        self._cache = Cache(plan.options.cache, _settings(plan, environment), static=plan.options.static)
        self._plan = plan
        self._keys: dict[ModuleSource, str] = {}

    def get(self, source: ModuleSource) -> ModuleReport | None:
        """Return the report of a module that has not changed since an earlier run."""
        begin = time.monotonic()
        if (key := self._key(source)) is None:
            return None
        if (report := self._cache.get(key)) is not None:
            return replace(report, elapsed_s=round(time.monotonic() - begin, 3), from_cache=True)
        self._keys[source] = key
        return None

    def put(self, source: ModuleSource, report: ModuleReport) -> None:
        """Keep a report that another run would make again; not if the module changed while it was checked.

        Thread-safe, for different modules.
        """
        key = self._keys.pop(source, None)
        if key is not None and all(map(_is_reproducible, report.outcomes)) and self._key(source) == key:
            self._cache.put(key, report)

    def _key(self, source: ModuleSource) -> str | None:
        if not isinstance(source, Path):
            return None  # what is on a server is not known before it is fetched
        own = [rule for rule in self._plan.own if isinstance(rule, Rule)]
        if any("." in (check or "").partition(":")[0] for rule in own for check in (rule.check, rule.probe)):
            return None  # a rule is decided by code that is not hubcheck's, which may read anything
        selected = repr(sorted(self._plan.selected_for(source)))
        return self._cache.key(source, selected, self._plan.limits, self._plan.links)


def _is_reproducible(outcome: Outcome) -> bool:
    failed_in_a_run = outcome.status == "failed" and outcome.decided_by == "probe" and outcome.rule in _RUN_RULES
    partly = outcome.status == "passed" and outcome.reason is not None
    return outcome.complete and outcome.status != "broken" and not failed_in_a_run and not partly


def _settings(plan: ResolvedOptions, environment: Iterable[str] | None) -> Iterator[str]:
    # The files that ship with hubcheck are part of every key already.
    options = plan.options
    yield repr(plan.own)
    yield repr(dict(options.config.levels) if options.config is not None else {})
    assumed, convention = sorted(plan.assume_passed), plan.convention
    yield repr((assumed, convention, options.static, options.fail_on, plan.limits))
    if not options.static:
        yield repr((options.probe, options.sandbox, options.device, plan.devices))
        yield from tensorflow_releases() if environment is None else environment
