"""A folder of earlier runs: a file for each run, with a line of JSON for each module.

    {"version": 1, "run": "2026-11-26T12:00:00Z", "module": "exports/m", "verdict": "violates", "findings": [
      {"rule": "image-input/name", "fingerprint": "3a6f...", "level": "error", "status": "failing",
       "since": "2026-11-03T01:00:00Z", "runs": 24, "by_run": false}]}

A finding has the same fingerprint in all runs. Its status is "failing", "suppressed", or "undecided" if a run could not
check its rule: it is then carried along, so that it is neither fixed nor new in the next run. Once a check of the files
alone has found it, `by_run` is false, and such a check can also decide that it is fixed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from hubcheck.engine.history import Change, History
from hubcheck.engine.identity import fingerprints
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.json import json_text
from hubcheck.rulebook.levels import LEVELS, Level
from hubcheck.util.atomic import write_atomic
from hubcheck.util.errors import UserError
from hubcheck.util.folders import ensure_writable

_VERSION = 1
_MODULE = re.compile(r'"module":\s*("(?:[^"\\]|\\.)*")')
_RUNS = "[0-9]" * 4 + "-*T*Z*.jsonl"

Row = dict[str, Any]


class RunHistory:
    """The history of the modules of one run: `compare` a report with it, then `write` its lines.

    Args:
        folder: the folder of the history; it is created if needed.
        keys: the keys of the run's modules.

    Raises:
        UserError: no file can be written there, or a file of an earlier run cannot be used.
    """

    def __init__(self, folder: Path, keys: Iterable[str]) -> None:
        ensure_writable(folder, "the history", "--output history=DIR")
        self.folder = folder
        self._last: dict[str, Row] = {}
        self._next: list[Row] = []
        missing = set(keys)
        for file in sorted(folder.glob(_RUNS), key=lambda file: file.stem, reverse=True):
            if not missing:
                break
            found = {line["module"]: line for line in _lines(file, missing)}
            self._last |= found
            missing -= found.keys()

    def compare(self, report: Report) -> Report:
        """Return the report of the run with its `history`."""
        changes: dict[str, list[Change]] = {"new": [], "fixed": [], "failing": []}
        self._next = []
        for module in report.modules:
            rows = self._rows(module, report)
            for kind, found in rows.items():
                changes.get(kind, []).extend(_changes(module.path, found))
            kept = [row for kind in ("new", "failing", "suppressed", "undecided") for row in rows[kind]]
            line = {"version": _VERSION, "run": report.created, "module": module.key, "verdict": module.verdict}
            self._next.append({**line, "findings": kept})
        previous = max((line["run"] for line in self._last.values()), default=None)
        by_age = sorted(changes["failing"], key=lambda change: change.since)
        return replace(report, history=History(previous, tuple(changes["new"]), tuple(changes["fixed"]), tuple(by_age)))

    def write(self) -> None:
        """Write the lines of the run to a new file of the folder.

        Raises:
            UserError: it cannot be written.
        """
        if not self._next:
            return
        stem = self._next[0]["run"].replace(":", "-")
        for number in count(1):
            file = self.folder / (f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl")
            try:
                file.touch(exist_ok=False)  # so that another run at the same time takes another name
            except FileExistsError:
                continue
            except OSError as error:
                raise UserError(f"{file}: cannot be written: {error.strerror}") from None
            try:
                write_atomic(file, (json_text(line, indent=None) + "\n" for line in self._next))
            except BaseException:
                file.unlink()
                raise
            return

    def _rows(self, module: ModuleReport, report: Report) -> dict[str, list[Row]]:
        """Return the findings of a module by what became of them; those that are fixed as they were."""
        before = {row["fingerprint"]: row for row in self._last.get(module.key, {}).get("findings", ())}
        rows: dict[str, list[Row]] = {kind: [] for kind in ("new", "fixed", "failing", "suppressed", "undecided")}
        suppressed = {item.finding for item in module.suppressed}
        for finding, fingerprint in fingerprints(module, module.key).items():
            old = before.pop(fingerprint, None)
            kind = "suppressed" if finding in suppressed else "failing"
            since, runs = (old["since"], old["runs"] + 1) if old is not None else (report.created, 1)
            row = {"rule": finding.rule, "fingerprint": fingerprint, "level": finding.level, "status": kind}
            by_run = any(device.ran for device in module.devices) and (old is None or old["by_run"])
            is_new = old is None and kind == "failing"
            rows["new" if is_new else kind].append({**row, "since": since, "runs": runs, "by_run": by_run})
        for row in before.values():
            rule = report.rules.get(row["rule"])
            if rule is None or module.is_decided(row["rule"], by_run=row["by_run"] and rule.probe is not None):
                rows["fixed"].append(row)
            else:
                rows["undecided"].append({**row, "status": "undecided"})
        return rows


def _changes(path: str, rows: Iterable[Row]) -> Iterator[Change]:
    by_rule: dict[str, list[Row]] = {}
    for row in rows:
        by_rule.setdefault(row["rule"], []).append(row)
    for rule, found in by_rule.items():
        level: Level = min((row["level"] for row in found), key=LEVELS.index)
        yield Change(path, rule, level, len(found), min(r["since"] for r in found), max(r["runs"] for r in found))


def _lines(file: Path, modules: Collection[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of these modules in a file, checked; other lines are not parsed, which would take long."""
    number = 0
    try:
        with file.open(encoding="utf-8") as stream:
            for text in stream:
                number += 1
                name = _MODULE.search(text)
                if name is not None and json.loads(name[1]) not in modules:
                    continue
                line = json.loads(text)
                if line["version"] != _VERSION or not all(isinstance(line[name], str) for name in ("run", "module")):
                    raise ValueError
                for row in line["findings"]:
                    texts = (row["rule"], row["fingerprint"], row["since"], row["level"], row["status"])
                    kinds = (*map(type, texts), type(row["runs"]), type(row.setdefault("by_run", True)))
                    if kinds != (str, str, str, str, str, int, bool):
                        raise TypeError
                    LEVELS.index(row["level"])
                yield line
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{file}: line {number} is not a line of a history; remove the file, or name another folder"
        ) from None
