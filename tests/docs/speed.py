"""The page of what `make bench` measured, with the reasons for the goals that are not met."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks import table
from tests.benchmarks.__main__ import PARTS
from tests.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "speed.md"
RESULTS = ROOT / "tests" / "benchmarks" / "results.json"
_PARTS = {
    "static": "## Static checks\n\n`hubcheck validate --static --no-cache` of one module, as a whole process.",
    "cache": "## Cached reports\n\nThe same command again, when nothing has changed.",
    "fleet": "## Fleets\n\nMany modules of many kinds in one static run with two processes, without a cache.",
    "large": "## Large modules\n\nStatic checks of graphs and checkpoints that are larger than any published one.",
    "full": "## Full checks\n\n`hubcheck validate --no-cache`, against a script that imports TensorFlow, loads the\n"
    "module and calls it twice.",
    "runs": "## Fleets with runs\n\nMany modules with runs, and the same work on a cluster of this machine.",
    "isolation": "## Isolation\n\nWhat it costs to read an archive in another process, and to confine workers.",
    "plugin": "## The plugin of pytest\n\nWhat it costs a run of tests that does not use it.",
    "browser": "## The page that checks modules in the browser",
    "shares": "## Where the time goes\n\nThe reasons for goals that are not met: what Python and libraries take by"
    " themselves,\nand the shares of hubcheck's packages in a profile.",
}


def speed_page() -> str:
    """The page in Markdown."""
    parts = table.read(RESULTS)
    lines = [
        "<!-- Written by `make docs` from the results of `make bench`. -->",
        "# Speed",
        "",
        "Medians of several runs, each a whole process. **ratio** compares with another command, run in turn on the",
        "same machine; n^1 says that the time grows in proportion to the input. A goal that is not met says NO.",
        "",
    ]
    for part in PARTS:
        if part in parts:
            lines += [_PARTS[part], "", *_section(*parts[part]), ""]
    missing = [part for part in PARTS if part not in parts]
    lines += [f"Not measured yet: {', '.join(missing)}.", ""] if missing else []
    return "\n".join(lines)


def _section(rows: list[table.Row], summary: str) -> Iterator[str]:
    yield f"| {' | '.join(table.HEADINGS)} |"
    yield "|" + "---|" * len(table.HEADINGS)
    for row in rows:
        yield f"| {' | '.join(row.cells())} |"
    yield ""
    yield summary
