"""The baseline: a file of findings that are known and do not fail, so that new ones do.

Modules are named relative to the file's folder. The file is sorted and has a line for each finding, so that
changes of it read well in a review.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hubcheck.util.atomic import write_atomic
from hubcheck.util.data_files import DataFileError

_VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class Known:
    """One known finding; `message` is for those who read the file."""

    module: str
    rule: str
    fingerprint: str
    message: str


def read_baseline(file: Path) -> list[Known]:
    """The findings in a baseline file.

    Raises:
        DataFileError: there is no such file, or it is no baseline.
    """
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
        if data["hubcheck-baseline"] != _VERSION:
            raise DataFileError(file, "hubcheck-baseline", f"version {data['hubcheck-baseline']!r} is not known")
        names = ("module", "rule", "fingerprint", "message")
        return [Known(*(str(row[name]) for name in names)) for row in data["findings"]]
    except FileNotFoundError:
        raise DataFileError(file, "", "no such file; --update-baseline writes one") from None
    except OSError as error:
        raise DataFileError(file, "", str(error.strerror)) from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(file, "", "this is no baseline; --update-baseline writes one") from None


def write_baseline(file: Path, known: Iterable[Known]) -> None:
    """Write the findings, sorted.

    Raises:
        UserError: the file cannot be written.
    """
    rows = ",\n".join("  " + json.dumps(asdict(row), ensure_ascii=False) for row in sorted(set(known)))
    body = f"[\n{rows}\n ]" if rows else "[]"
    write_atomic(file, [f'{{\n "hubcheck-baseline": {_VERSION},\n "findings": {body}\n}}\n'])
