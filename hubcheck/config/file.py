"""The configuration: `[tool.hubcheck]` in pyproject.toml, or hubcheck.toml, read into Config.

Paths in it are relative to the folder that it lies in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.uri import is_uri
from hubcheck.rulebook.levels import Level
from hubcheck.util import resources
from hubcheck.util.data_files import DataFileError, validate_schema

_OF_RUNS = ("timeout", "memory-mb")
"""Limits of running modules; the others are of reading them."""
_OWN_FILE, _SHARED_FILE = "hubcheck.toml", "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Entry:
    """Rules that are selected, ignored or expected to fail for the modules at `path`, and why."""

    rules: tuple[str, ...]
    reason: str
    path: str = "**"


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file says; what it leaves out is None or empty.

    `scripts` gives for a module's path the script that publishes it; `levels` for a rule or group another level.
    """

    file: Path
    static: bool = False
    fail_on: Literal["error", "warning"] | None = None
    device: Literal["cpu", "gpu", "auto", "all"] | None = None
    jobs: int | None = None
    rules: tuple[Path, ...] = ()
    baseline: Path | None = None
    levels: Mapping[str, Level] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    select: tuple[Entry, ...] = ()
    ignore: tuple[Entry, ...] = ()
    xfail: tuple[Entry, ...] = ()
    timeout: float | None = None
    memory: int | None = None
    limits: ReadLimits = LIMITS

    @property
    def home(self) -> Path:
        """The folder that the paths in it are relative to."""
        return self.file.parent


def find_config(start: Path | None = None) -> Config | None:
    """The configuration of the nearest folder, from `start` (the working folder) upwards; None if there is none.

    hubcheck.toml goes before pyproject.toml, which counts only if it has a table `tool.hubcheck`. The search ends
    at the folder that holds `.git`.

    Raises:
        DataFileError: it is there and cannot be used.
    """
    begin = Path(start or Path.cwd()).absolute()
    for folder in (begin, *begin.parents):
        for name in (_OWN_FILE, _SHARED_FILE):
            try:
                content = (folder / name).read_bytes()
            except OSError:
                continue
            # Most projects' files have no word of hubcheck in them; these are not worth parsing.
            if name == _OWN_FILE or b"hubcheck" in content:
                found = _parse(folder / name, content)
                if found is not None:
                    return found
        if (folder / ".git").exists():
            return None
    return None


def read_config(file: Path) -> Config:
    """The configuration in `file`.

    Raises:
        DataFileError: it cannot be read or used, or has no table `tool.hubcheck`.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataFileError(file, "", str(error.strerror)) from None
    found = _parse(file.absolute(), content)
    if found is None:
        raise DataFileError(file, "tool.hubcheck", "there is no such table")
    return found


def limits_at_hand() -> ReadLimits:
    """The limits of the nearest configuration, for commands that need nothing else of it.

    Raises:
        DataFileError: it is there and cannot be used.
    """
    config = find_config()
    return LIMITS if config is None else config.limits


def covers(path: str, module: str) -> bool:
    """Whether an entry's path means a module: as a glob with `*`, `**` and `?`, or as a folder above the module."""
    return _pattern(path).fullmatch(module) is not None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    clean = path.removeprefix("./").rstrip("/") or "**"
    if clean == ".":
        clean = "**"
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", clean)
    return re.compile("".join(tokens.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")


def _parse(file: Path, content: bytes) -> Config | None:
    import tomllib

    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFileError(file, "", str(error)) from None
    if file.name == _SHARED_FILE:
        tools = data.get("tool")
        if not isinstance(tools, dict) or "hubcheck" not in tools:
            return None
        data = tools["hubcheck"]
    _check(file, data)
    limits = data.get("limits", {})
    home = file.parent
    megabytes = limits.get("memory-mb")
    return Config(
        file=file,
        static=data.get("static", False),
        fail_on=data.get("fail-on"),
        device=data.get("device"),
        jobs=data.get("jobs"),
        rules=tuple(_folder(file, home / name) for name in data.get("rules", ())),
        baseline=home / data["baseline"] if "baseline" in data else None,
        levels=data.get("levels", {}),
        scripts={
            path if is_uri(path) else os.path.normpath(path): script for path, script in data.get("scripts", {}).items()
        },
        select=_entries(data.get("select", ())),
        ignore=_entries(data.get("ignore", ())),
        xfail=_entries(data.get("xfail", ())),
        timeout=limits.get("timeout"),
        memory=megabytes * 1024 * 1024 if megabytes is not None else None,
        limits=replace(LIMITS, **{k.replace("-", "_"): v for k, v in limits.items() if k not in _OF_RUNS}),
    )


def _entries(rows: Any) -> tuple[Entry, ...]:
    return tuple(Entry(tuple(row["rules"]), row["reason"].strip(), row.get("path", "**")) for row in rows)


def _module(path: str) -> str:
    return path if is_uri(path) else os.path.normpath(path)


def _folder(file: Path, folder: Path) -> Path:
    if not folder.is_dir():
        raise DataFileError(file, "rules", f"{folder}: no such folder")
    return folder


def _check(file: Path, data: Any) -> None:
    """Hold the table against its schema; a key that is not known is told with the nearest that is."""
    import json

    text = (resources.folder("rules") / "schema" / "config.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    if not isinstance(data, dict):
        raise DataFileError(file, "tool.hubcheck", "is no table")
    _check_keys(file, data, schema, "")
    for name in ("select", "ignore", "xfail"):
        rows = data.get(name)
        for place, row in enumerate(rows if isinstance(rows, list) else ()):
            _check_keys(file, row, schema["$defs"]["entry"], f"{name}.{place}.")
    _check_keys(file, data.get("limits"), schema["properties"]["limits"], "limits.")
    validate_schema(file, data, "config")


def _check_keys(file: Path, table: Any, schema: Mapping[str, Any], prefix: str) -> None:
    import difflib

    known = schema["properties"]
    for key in table if isinstance(table, dict) else ():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            raise DataFileError(file, f"{prefix}{key}", f"no such key{hint}")
