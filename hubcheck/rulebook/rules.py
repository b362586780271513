"""Read the rules, `rules/<group>/<name>.toml`, into Rule."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from typing import Any

from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.rulebook.levels import Level
from hubcheck.util import resources
from hubcheck.util.compiled import compiled
from hubcheck.util.data_files import DataFileError, LazyRegistry, read_toml
from hubcheck.util.errors import UserError
from hubcheck.util.record import record
from hubcheck.util.text import printable_lines

_ALWAYS_NEEDED = ("module/readable",)
_ALWAYS_NEEDED_TO_RUN = ("safety/*", "module/loads")
_NOT_RULES = {"signatures", "schema", "data"}


class UnknownRule(UserError):
    """Raised for a pattern that selects no rule; the message suggests similar names."""


@record
class Rule:
    """A requirement of the convention.

    Attributes:
        id: "group/name".
        title: what holds if a module passes, in one line.
        level: of its findings, unless a finding has a lower one.
        message: what is wrong, with fields in braces.
        fix: what to do about a finding.
        source: the document and section of the requirement.
        check: the predicate that decides it from files, as "module:function".
        probe: the predicate that decides it from a run; a rule has `check`, `probe` or both.
        params: keyword arguments of the predicates.
        needs: the rules, or "group/*", without which it has no meaning; module/readable is usually one of them.
        run_needs: those without which its run has no meaning; safety/* and module/loads always are among them.
        levels: its level under each convention that it belongs to; empty if it is `level` under all of them.
        blanket: the rules that need it are about other things, so that ignoring it accepts nothing of them.
    """

    id: str
    file: Path
    title: str
    level: Level
    message: str
    why: str
    fix: str
    source: str
    requirement: str
    check: str | None = None
    probe: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    run_needs: tuple[str, ...] = ()
    levels: Mapping[Convention, Level] = field(default_factory=dict)
    blanket: bool = False

    @property
    def group(self) -> str:
        return self.id.partition("/")[0]

    def applies(self, convention: Convention) -> bool:
        """Return whether the rule belongs to a convention."""
        return not self.levels or convention in self.levels

    @property
    def phase(self) -> str:
        """Return "static", "probe" or "static+probe"."""
        return "+".join(name for name, half in (("static", self.check), ("probe", self.probe)) if half)


def load_rules(*folders: Path) -> LazyRegistry[Rule]:
    """Return the shipped rules and those in `<folder>/<group>/<name>.toml`, by id.

    Raises:
        DataFileError: a file is not a rule, its id is in use, or a rule that it needs does not exist.
    """
    shipped = _shipped_files()
    own: dict[str, Rule] = {}
    for file in (file for folder in folders for file in _files(folder)):
        data = read_toml(file)
        from hubcheck.util.schemas import validate_schema

        validate_schema(file, data, "rule")
        if data["id"] != _id(file):
            raise DataFileError(file, "id", f"{data['id']!r} must be {_id(file)!r}, the names of its folder and file")
        if data["id"] in shipped or data["id"] in own:
            raise DataFileError(file, "id", f"rule {data['id']!r} is defined already")
        own[data["id"]] = _rule(file, _printable(data))
    for rule in own.values():
        for need in (*rule.needs, *rule.run_needs):
            if not matching(need, (*shipped, *own)):
                raise DataFileError(rule.file, "needs", f"no rule is called {need!r}")
    return LazyRegistry(shipped, _shipped_rule, own)


def under(convention: Convention, rules: Mapping[str, Rule]) -> Mapping[str, Rule]:
    """Return the rules with their levels under a convention."""
    if convention == DEFAULT_CONVENTION:
        return rules
    return {name: replace(rule, level=rule.levels.get(convention, rule.level)) for name, rule in rules.items()}


def matching(pattern: str, rules: Collection[str]) -> list[str]:
    """Return the ids that a pattern selects: the id of a rule, or a group as "group" or "group/*"."""
    group = pattern.removesuffix("/*")
    if "/" in group:
        return [pattern] if pattern in rules else []
    return [rule for rule in rules if rule.partition("/")[0] == group]


def select(patterns: Iterable[str], rules: Mapping[str, Rule]) -> set[str]:
    """Return the ids that any of the patterns selects; raise UnknownRule for one that selects nothing."""
    chosen: set[str] = set()
    for pattern in patterns:
        found = matching(pattern, rules)
        if not found:
            import difflib

            names = sorted({*rules, *(rule.group for rule in rules.values())})
            close = difflib.get_close_matches(pattern, {*names, *(name.partition("/")[2] for name in names)}, n=3)
            near = dict.fromkeys(name for part in close for name in names if name == part or name.endswith("/" + part))
            hint = f"; nearest: {', '.join(list(near)[:3])}" if near else "; `hubcheck rules` lists all of them"
            raise UnknownRule(f"no rule or group is called {pattern!r}{hint}")
        chosen.update(found)
    return chosen


def _files(folder: Path) -> list[Path]:
    groups = sorted(group.name for group in os.scandir(folder) if group.is_dir() and group.name not in _NOT_RULES)
    names = ((group, file.name) for group in groups for file in os.scandir(folder / group))
    return [folder / group / name for group, name in sorted(names) if name.endswith(".toml")]


def _id(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


@cache
def _shipped_files() -> Mapping[str, Path]:
    return {_id(file): file for file in _files(resources.folder("rules"))}


@cache
def _shipped_rule(file: Path) -> Rule:
    return _rule(file, _shipped_data()[str(file)])


@cache
def _shipped_data() -> Mapping[str, Any]:
    return compiled("rules", list(map(str, _shipped_files().values())), lambda file: read_toml(Path(file)))


def _printable(data: Any) -> Any:
    """Return a user's data with its texts safe to print, line ends included."""
    if isinstance(data, str):
        return printable_lines(data)
    return (
        {key: value if key == "params" else _printable(value) for key, value in data.items()}
        if isinstance(data, dict)
        else data
    )


def _rule(file: Path, data: Mapping[str, Any]) -> Rule:
    source = data["source"]
    needs = () if data.get("even_if_unreadable") else _ALWAYS_NEEDED
    run_needs = _ALWAYS_NEEDED_TO_RUN if "probe" in data else ()
    levels = data.get("levels", {})
    return Rule(
        **{key: data[key] for key in ("id", "title", "message", "why", "fix")},
        file=file,
        level=levels.get(DEFAULT_CONVENTION, data["level"]),
        source=f'{source.get("document", "Common Signatures for Images")}, "{source["section"]}"',
        requirement=source["requirement"],
        check=data.get("check"),
        probe=data.get("probe"),
        params=data.get("params", {}),
        needs=tuple(need for need in (*needs, *data.get("needs", ())) if need != data["id"]),
        run_needs=tuple(need for need in (*run_needs, *data.get("run_needs", ())) if need != data["id"]),
        levels=levels,
        blanket=data.get("blanket", False),
    )
