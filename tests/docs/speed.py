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
    " themselves,\nand the shares of hubcheck's packages in a profile, from 1 % on.",
}

_REASONS = {
    "static": "*Why not.* The imports that precede any check are the whole goal for a small module, and those of "
    "click and protobuf alone are two thirds of it ([Where the time goes](#where-the-time-goes)). "
    "MobileNetV2 adds 7,600 nodes, which take about 10 microseconds each in all rules together.",
    "cache": "*Why not.* No module is read and no rule is evaluated. The time is that of imports, and those of "
    "Python and click are more than half of it ([Where the time goes](#where-the-time-goes)).",
    "fleet": "*Why not.* 400 modules a second on two cores leave 5 ms for each. In a profile of 354 kinds, two "
    "thirds of the time of a module are its 42 checks, 0.1 to 0.2 ms each; a sixth is to read its files, "
    "a tenth to make its report, and a twentieth to see whether its files have changed meanwhile.",
    "large": "*Why not.* Nine tenths of the time for a graph are the analyses of hubcheck/graph ([Where the time "
    "goes](#where-the-time-goes)): a dozen of them visit each node, in Python, for 25 microseconds in "
    "all. Of the memory of one deep graph, 940 MB are the message that protobuf makes of 110 MB, 150 MB "
    "the names and ops of its nodes, and 190 MB their inputs. Most of the time for an index is to convert "
    "each of its entries, and a sixth to compute its checksums in Python.",
    "full": "*Why not.* 177 images pass through ResNet50, and 3 in the script. With one worker, a third of the time is "
    "for the gradients of 6 images, whose graph TensorFlow builds in Python, once for inference and once for "
    "training ([Where the time goes](#where-the-time-goes)); a fifth for two batches of 33 images; a sixth for "
    "24 repetitions in training, with 2 images each, which show dropout; a tenth for 5 batches of 5 images; "
    "and a tenth to load and call the module as TensorFlow Serving does.",
    "isolation": "*Why not.* After a fork, each page of memory is copied when either process writes to it: 3,500 pages "
    "of 4 KiB for a small module, whatever its size.",
}
"""For the parts whose goals are not met: where the time goes."""


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
            if part in _REASONS and any(row.met is False for row in parts[part][0]):
                lines += [_REASONS[part], ""]
    missing = [part for part in PARTS if part not in parts]
    lines += [f"Not measured yet: {', '.join(missing)}.", ""] if missing else []
    return "\n".join(lines)


def _section(rows: list[table.Row], summary: str) -> Iterator[str]:
    yield f"| {' | '.join(table.HEADINGS)} |"
    yield "|" + "---|" * len(table.HEADINGS)
    for row in rows:
        if row.figure.startswith("%") and row.median < 1:
            continue
        yield f"| {' | '.join(row.cells())} |"
    yield ""
    yield summary
