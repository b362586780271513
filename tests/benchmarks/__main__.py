"""`make bench` measures all parts, `python -m tests.benchmarks static` one; `--against REV` compares two revisions."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import comparison, table
from tests.benchmarks.groups import Group
from tests.benchmarks.measure import measure
from tests.compare import checkout
from tests.paths import ROOT

PARTS = ("static", "cache", "fleet", "large", "full", "runs", "shares", "isolation", "plugin", "browser")
RESULTS = ROOT / "build" / "bench" / "results.json"


def groups(parts: list[str]) -> Iterator[tuple[str, Group]]:
    for part in parts:
        for group in importlib.import_module(f"tests.benchmarks.{part}").groups():
            yield part, group


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all of: {' '.join(PARTS)}")
    parser.add_argument("--against", metavar="REV", help="run this revision, too, in turn, and print what changed")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FILE", help="the results as JSON")
    parser.add_argument("--runs", type=int, help="how often each command is run, instead of what its group says")
    given = parser.parse_args()
    trees = [ROOT, checkout(given.against)] if given.against else [ROOT]
    rows: dict[str, list[table.Row]] = {}
    changes: list[comparison.Change] = []
    for part, group in groups(given.parts or list(PARTS)):
        if given.runs:
            group = replace(group, runs=given.runs)  # noqa: PLW2901
        print(f"measuring {group.title} ...", flush=True)
        seen = measure(group, trees)
        here = {name: seen[ROOT, name] for name in group.commands}
        new = [row for goal in group.goals if (row := table.row(group, goal, here)) is not None]
        rows.setdefault(part, []).extend(new)
        results = table.document(rows[part])
        table.write(given.output, part, results)
        print("\n".join(table.lines(row.cells() for row in new)), flush=True)
        if given.against:
            changes += comparison.changes(group, seen, *trees)
    shown = table.lines(row.cells() for found in rows.values() for row in found)
    print("", *shown, "", table.summary(results), f"JSON: {given.output}", sep="\n")
    if given.against:
        print(f"\nCompared with {given.against}, run in turn:", *comparison.lines(changes), sep="\n")


if __name__ == "__main__":
    main()
