"""Counts of a run in the OpenMetrics text format: for Prometheus, by a server or node_exporter's textfile collector.

All metrics are gauges, which the older text format of Prometheus has as well.
"""

from __future__ import annotations

from calendar import timegm
from collections.abc import Iterable, Iterator, Mapping
from time import strptime

from hubcheck._version import __version__
from hubcheck.engine.reports import Report
from hubcheck.report.describe import VERDICTS

_Samples = Iterable[tuple[Mapping[str, str], float]]


def render(report: Report) -> Iterator[str]:
    """Yield the metrics."""
    summary, history = report.summary, report.history
    yield from _metric("modules", "Modules by verdict.", [({"verdict": v}, summary.verdicts[v]) for v in VERDICTS])
    yield from _metric("cached_modules", "Modules whose report is from the cache.", [({}, summary.cached)])
    rules = [({"rule": row.rule, "level": row.level}, row.findings) for row in summary.rules]
    yield from _metric("findings", "Findings that count, by rule and level.", rules)
    rules = [({"rule": row.rule, "level": row.level}, row.modules) for row in summary.rules]
    yield from _metric("failing_modules", "Modules with such findings, by rule and level.", rules)
    suppressed = [({"reason": kind}, count) for kind, count in sorted(summary.suppressed.items())]
    yield from _metric("suppressed_findings", "Findings that do not count, by reason.", suppressed)
    if history is not None:
        changes = (("new", history.new), ("fixed", history.fixed), ("failing", history.failing))
        counts = [({"change": name}, sum(change.findings for change in found)) for name, found in changes]
        yield from _metric("history_findings", "Findings since the last run of the same modules.", counts)
    yield from _metric("run_exit_code", "Exit code of the run.", [({}, report.exit_code)])
    yield from _metric("run_duration_seconds", "Seconds that the run took.", [({}, round(report.elapsed_s, 3))])
    ended = timegm(strptime(report.created, "%Y-%m-%dT%H:%M:%SZ"))
    yield from _metric("run_timestamp_seconds", "When the run ended, in seconds since 1970.", [({}, ended)])
    facts = {"version": __version__, "tensorflow": report.tensorflow or "", "convention": report.convention}
    yield from _metric("run_info", "What the run was made with.", [(facts, 1)])
    yield "# EOF\n"


def _metric(name: str, text: str, samples: _Samples) -> Iterator[str]:
    yield f"# HELP hubcheck_{name} {text}\n# TYPE hubcheck_{name} gauge\n"
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels.items())
        yield f"hubcheck_{name}{f'{{{inside}}}' if inside else ''} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
