"""The configuration file: `[tool.hubcheck]` in pyproject.toml, or hubcheck.toml.

Paths in it are relative to its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Literal

from hubcheck.config.path_patterns import absolute_key, path_pattern
from hubcheck.engine.identity import module_key
from hubcheck.module.limits import LIMITS, ReadLimits
from hubcheck.module.uri import is_uri
from hubcheck.rulebook.convention import Convention
from hubcheck.rulebook.levels import Level
from hubcheck.util.data_files import DataFileError
from hubcheck.util.record import record

_RUN_LIMITS = ("timeout", "memory-mb")
"""Limits of running modules; the others limit how much of them is read."""
_OWN_FILE, _SHARED_FILE = "hubcheck.toml", "pyproject.toml"


@record
class PolicyEntry:
    """Rules that are selected, ignored or expected to fail for the modules at `path`, and why.

    `path` and the keys of modules are relative to `folder`, an absolute path.
    """

    rules: tuple[str, ...]
    reason: str
    path: str = "**"
    folder: str = "/"

    def covers(self, key: str) -> bool:
        """Whether `path` means the module: as a glob with `*`, `**` and `?`, or as a folder above it."""
        return path_pattern(self.path, self.folder).fullmatch(absolute_key(key, self.folder)) is not None


@record
class Config:
    """A configuration file; what it leaves out is None or empty.

    Attributes:
        levels: another level for a rule or group.
        links_below: folders to whose files links in modules may lead.
        exclude: globs of modules that are left out.
        scripts: the script that publishes a module, by the module's key.
        memory: bytes that running a module may use.
    """

    file: Path
    static: bool = False
    fail_on: Level | None = None
    convention: Convention | None = None
    device: Literal["cpu", "gpu", "auto", "all"] | None = None
    jobs: int | None = None
    rules: tuple[Path, ...] = ()
    links_below: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()
    baseline: Path | None = None
    levels: Mapping[str, Level] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    select: tuple[PolicyEntry, ...] = ()
    ignore: tuple[PolicyEntry, ...] = ()
    xfail: tuple[PolicyEntry, ...] = ()
    timeout: float | None = None
    memory: int | None = None
    limits: ReadLimits = LIMITS

    @property
    def folder(self) -> Path:
        """The folder that the paths in the file are relative to."""
        return self.file.parent


def find_config(start: Path | None = None, *, use_cache: bool = True) -> Config | None:
    """Return the configuration of the nearest folder, from `start` (the working folder) upwards; None if there is none.

    hubcheck.toml takes precedence over pyproject.toml, which counts only if it has a table `tool.hubcheck`. The search
    ends at the folder that holds `.git`.

    Args:
        start: the folder to start from.
        use_cache: remember that the file is valid, so that it is not validated again until it changes.

    Raises:
        DataFileError: the file cannot be used.
    """
    begin = Path(start or Path.cwd()).absolute()
    for folder in (begin, *begin.parents):
        for name in (_OWN_FILE, _SHARED_FILE):
            try:
                content = (folder / name).read_bytes()
            except OSError:
                continue
            # Parsing takes time, and most pyproject.toml files do not mention hubcheck.
            if name == _OWN_FILE or b"hubcheck" in content:
                config = _parse(folder / name, content, use_cache)
                if config is not None:
                    return config
        if (folder / ".git").exists():
            return None
    return None


def read_config(file: Path, *, use_cache: bool = True) -> Config:
    """Return the configuration in `file`.

    Raises:
        DataFileError: it cannot be read or used, or has no table `tool.hubcheck`.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataFileError(file, "", str(error.strerror)) from None
    config = _parse(file.absolute(), content, use_cache)
    if config is None:
        raise DataFileError(file, "tool.hubcheck", "there is no such table")
    return config


def _parse(file: Path, content: bytes, use_cache: bool) -> Config | None:
    import tomllib

    from hubcheck.config.schema import check_configuration

    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFileError(file, "", str(error)) from None
    if file.name == _SHARED_FILE:
        tools = data.get("tool")
        if not isinstance(tools, dict) or "hubcheck" not in tools:
            return None
        data = tools["hubcheck"]
    check_configuration(file, content, data, use_cache=use_cache)
    limits = data.get("limits", {})
    scripts = data.get("scripts", {})
    megabytes = limits.get("memory-mb")
    return Config(
        file=file,
        static=data.get("static", False),
        fail_on=data.get("fail-on"),
        convention=data.get("convention"),
        device=data.get("device"),
        jobs=data.get("jobs"),
        rules=tuple(_folder(file, "rules", name) for name in data.get("rules", ())),
        links_below=tuple(_folder(file, "links-below", name) for name in data.get("links-below", ())),
        exclude=tuple(data.get("exclude", ())),
        baseline=file.parent / data["baseline"] if "baseline" in data else None,
        levels=data.get("levels", {}),
        scripts={_key(path, file.parent): script for path, script in scripts.items()},
        select=_entries(data.get("select", ()), file.parent),
        ignore=_entries(data.get("ignore", ()), file.parent),
        xfail=_entries(data.get("xfail", ()), file.parent),
        timeout=limits.get("timeout"),
        memory=megabytes * 1024 * 1024 if megabytes is not None else None,
        limits=replace(LIMITS, **{k.replace("-", "_"): v for k, v in limits.items() if k not in _RUN_LIMITS}),
    )


def _entries(rows: Any, folder: Path) -> tuple[PolicyEntry, ...]:
    return tuple(
        PolicyEntry(tuple(row["rules"]), row["reason"].strip(), row.get("path", "**"), folder.as_posix())
        for row in rows
    )


def _key(path: str, folder: Path) -> str:
    return module_key(path if is_uri(path) else folder / path, folder)


def _folder(file: Path, key: str, name: str) -> Path:
    folder = file.parent / name
    if not folder.is_dir():
        raise DataFileError(file, key, f"{folder}: no such folder")
    return folder
