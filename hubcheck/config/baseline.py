"""The baseline: a file of known findings that do not fail, so that new ones do.

Modules are named relative to the file's folder, also those outside of it. The file is sorted and has a line for each
finding, so that changes of it read well in a review.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hubcheck.engine.findings import Finding
from hubcheck.engine.identity import fingerprints, module_key
from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.uri import is_uri
from hubcheck.util.atomic import write_atomic
from hubcheck.util.data_files import DataFileError
from hubcheck.util.text import plural

_VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class KnownFinding:
    """A row of a baseline; `message` is for people who read the file.

    `by_run` is False if a check of the files alone has found it: then such a check can also decide that it is fixed.
    """

    module: str
    rule: str
    fingerprint: str
    message: str
    by_run: bool = field(default=True, compare=False)


class Baseline:
    """The baseline of a run: `known` for each module, then `notices`, and `write` if it is updated.

    Args:
        file: the file.
        updating: it will be written anew, so that it need not exist.

    Attributes:
        fixed: known findings that were not found any more.

    Raises:
        DataFileError: the file cannot be used.
    """

    def __init__(self, file: Path, *, updating: bool) -> None:
        self.file = file
        self._updating = updating
        self._rows = [] if updating and not file.exists() else read_baseline(file)
        self._next: list[KnownFinding] = list(self._rows)
        self.fixed: list[KnownFinding] = []

    def known(
        self, report: ModuleReport, active: list[Finding], is_decided: Callable[[KnownFinding], bool]
    ) -> list[Finding]:
        """Return those of the active findings that are known; all of them if the baseline is updated.

        Args:
            report: the module's report.
            active: its findings that nothing else suppresses.
            is_decided: whether this run could have found a known finding.
        """
        key = module_key(report.path, self.file.parent)
        names = fingerprints(report, key)
        rows = [row for row in self._rows if row.module == key]
        before = {row.fingerprint: row.by_run for row in rows}
        missing = [row for row in rows if row.fingerprint not in names.values()]
        self.fixed += [row for row in missing if is_decided(row)]
        undecided = [row for row in missing if row not in self.fixed]
        known = [finding for finding in active if self._updating or names[finding] in before]
        ran = any(device.ran for device in report.devices)
        kept = {
            KnownFinding(key, finding.rule, name, finding.message, ran and before.get(name, True))
            for finding, name in ((finding, names[finding]) for finding in known)
        }
        self._next = [row for row in self._next if row.module != key] + undecided + sorted(kept)
        return known

    def notices(self, *, whole: bool) -> Iterator[str]:
        """Yield which rows can be removed; `whole` is False if only a part of the run's modules was checked."""
        if self._updating:
            return
        for row in self.fixed if whole else ():
            yield f"{self.file.name}: {row.rule} is fixed in {row.module}; remove it with --update-baseline"
        for module in sorted({row.module for row in self._rows if not self._may_exist(row)}):
            yield f"{self.file.name}: no module at {module!r}; remove its findings with --update-baseline"

    def write(self) -> str | None:
        """Write the findings of this run, and the known ones that it could not decide, if the baseline is updated.

        Returns:
            What was written: "wrote known.json: 3 findings, 2 added, 1 removed".
        """
        if not self._updating:
            return None
        rows = {row for row in self._next if self._may_exist(row)}
        write_baseline(self.file, rows)
        after, before = ({(row.module, row.fingerprint) for row in group} for group in (rows, self._rows))
        changes = f"{len(after - before)} added, {len(before - after)} removed"
        return f"wrote {self.file.name}: {plural(len(rows), 'finding')}, {changes}"

    def _may_exist(self, row: KnownFinding) -> bool:
        """Whether there may still be a module with this finding; servers are not contacted."""
        return is_uri(row.module) or (self.file.parent / row.module).exists()


def read_baseline(file: Path) -> list[KnownFinding]:
    """Return the findings in a baseline file.

    Raises:
        DataFileError: there is no such file, or it is not a baseline.
    """
    hint = "--update-baseline writes one"
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
        if data["hubcheck-baseline"] != _VERSION:
            raise DataFileError(file, "hubcheck-baseline", f"unknown version {data['hubcheck-baseline']!r}")
        names = ("module", "rule", "fingerprint", "message")
        return [
            KnownFinding(**{name: str(row[name]) for name in names}, by_run=row.get("by_run", True) is not False)
            for row in data["findings"]
        ]
    except FileNotFoundError:
        raise DataFileError(file, "", f"no such file; {hint}") from None
    except OSError as error:
        raise DataFileError(file, "", str(error.strerror)) from None
    except DataFileError:
        raise
    except (ValueError, KeyError, TypeError):
        raise DataFileError(file, "", f"this is not a baseline; {hint}") from None


def write_baseline(file: Path, rows: Iterable[KnownFinding]) -> None:
    """Write the findings, sorted.

    Raises:
        UserError: the file cannot be written.
    """
    lines = ",\n".join("  " + json.dumps(asdict(row), ensure_ascii=False) for row in sorted(set(rows)))
    body = f"[\n{lines}\n ]" if lines else "[]"
    write_atomic(file, [f'{{\n "hubcheck-baseline": {_VERSION},\n "findings": {body}\n}}\n'])
