"""The rules as data: `rules/<group>/<name>.toml` read into Rule."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubcheck import resources
from hubcheck.data_files import DataFileError, validate
from hubcheck.errors import UsersError
from hubcheck.findings import Level

_NOT_RULES = {"signatures", "schema", "data"}


class UnknownRule(UsersError):
    """A pattern that selects no rule; the message names the nearest ones."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise of the convention.

    `check` names the predicate that decides it from files, `probe` the one that decides it from a run; a
    rule has either or both. `needs` are rules (or "group/*") without which this one means nothing;
    `probe_needs` those without which its run means nothing.
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
    probe_needs: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return self.id.partition("/")[0]

    @property
    def phase(self) -> str:
        """`static`, `probe` or `static+probe`: derived from what decides it."""
        return "+".join(name for name, half in (("static", self.check), ("probe", self.probe)) if half)


def load_rules(*folders: Path) -> dict[str, Rule]:
    """The shipped rules and those in `<folder>/<group>/<name>.toml`, by id.

    Raises:
        DataFileError: a file is not a rule; names file, key and reason.
    """
    rules: dict[str, Rule] = {}
    shipped = resources.folder("rules")
    for folder in (shipped, *folders):
        for file in sorted(folder.glob("*/*.toml")):
            if file.parent.name in _NOT_RULES:
                continue
            rule = _read(file, check=folder is not shipped)
            if rule.id in rules:
                raise DataFileError(file, "id", f"rule {rule.id!r} is defined already")
            rules[rule.id] = rule
    for rule in rules.values():
        for need in (*rule.needs, *rule.probe_needs):
            if not matching(need, rules):
                raise DataFileError(rule.file, "needs", f"no rule is called {need!r}")
    return rules


def matching(pattern: str, rules: Iterable[str]) -> list[str]:
    """The ids that a pattern selects: a rule's id, or a group as "group" or "group/*"."""
    group = pattern.removesuffix("/*")
    return [rule for rule in rules if rule == pattern or rule.partition("/")[0] == group]


def select(patterns: Iterable[str], rules: Mapping[str, Rule]) -> set[str]:
    """The ids that any of the patterns selects.

    Raises:
        UnknownRule: a pattern selects nothing.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = matching(pattern, rules)
        if not found:
            names = sorted({*rules, *(rule.group for rule in rules.values())})
            near = difflib.get_close_matches(pattern, names, n=3)
            hint = f"; nearest: {', '.join(near)}" if near else "; `hubcheck rules` lists them all"
            raise UnknownRule(f"no rule or group is called {pattern!r}{hint}")
        chosen.update(found)
    return chosen


def _read(file: Path, *, check: bool) -> Rule:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFileError(file, "", str(error)) from None
    if check:
        validate(file, data, "rule")
        expected = f"{file.parent.name}/{file.stem}"
        if data["id"] != expected:
            raise DataFileError(file, "id", f"{data['id']!r} must be {expected!r}, after its folder and file")
    source = data["source"]
    return Rule(
        id=data["id"],
        file=file,
        title=data["title"],
        level=data["level"],
        message=data["message"],
        why=data["why"],
        fix=data["fix"],
        source=f'{source.get("document", "Common Signatures for Images")}, "{source["section"]}"',
        requirement=source["requirement"],
        check=data.get("check"),
        probe=data.get("probe"),
        params=data.get("params", {}),
        needs=tuple(data.get("needs", ())),
        probe_needs=tuple(data.get("probe_needs", ())),
    )
