"""The page of tables that `make exporters` and `make consumers` fill: what their last runs found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.consumers.__main__ import USES
from tests.exporters import keras_models, other_models  # noqa: F401 (they register the examples)
from tests.exporters.example import EXAMPLES
from tests.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "compatibility.md"
EXPORTERS = ROOT / "tests" / "exporters" / "results.json"
CONSUMERS = ROOT / "tests" / "consumers" / "results.json"
_TOLERANCE = 1e-3
_MESSAGE = 200
_MEANINGS = {
    "Cannot deserialize computation": "TensorFlow 2.15 is older than the JAX that wrote the program",
    "whatever the number of images": "the library's own export returns outputs for one image",
    "Could not infer the attribute type": "tf2onnx cannot convert programs of JAX, the op XlaCallModule",
}
"""What messages of other libraries mean, by a part of them."""


def compatibility_page() -> str:
    """The page in Markdown."""
    lines = [
        "<!-- Written by `make docs` from the results of `make exporters` and `make consumers`. -->",
        "# Compatibility",
        "",
        "## Models of other libraries",
        "",
        "Models of other libraries, with random weights: as each library exports them, and as modules that",
        "`hubcheck.author` makes of them in both formats. A module is used only after it has passed all rules, those",
        "that run it included.",
        "",
        "- **own export**: the rules that the library's own export breaks, in a static check.",
        "- **lines**: the lines of code that make the module of the model.",
        "- **difference**: the largest one between outputs of the module and of the model, relative to the largest",
        "  output.",
        "- **trains**: how many of the trainable variables a gradient reaches, in three steps with both tasks.",
        "- **statistics**: how many of the variables that only updates change, such as the means of batch",
        '  normalization, did so in these steps; "-" if there are none.',
        "",
        *_exporters(json.loads(EXPORTERS.read_text(encoding="utf-8"))),
        "",
        "## Consumers",
        "",
        "Modules that `hubcheck.author` wrote, used by other libraries: the largest difference of their outputs to",
        "those of `hubcheck.hub`, relative to the largest output. The program of JAX came as a SavedModel of `jax2tf`.",
        "",
        *_consumers(json.loads(CONSUMERS.read_text(encoding="utf-8"))),
    ]
    return "\n".join(lines) + "\n"


def _exporters(results: Mapping[str, Any]) -> Iterator[str]:
    columns = ("difference", "trains", "statistics")
    yield f"| model | own export | lines | tf2: {' | '.join(columns)} | tf1-hub: {' | '.join(columns)} |"
    yield "|---|---|---|---|---|---|---|---|---|"
    notes = _Notes()
    for name, result in results.items():
        if "reason" in result:
            yield f"| {name} | no module, see below | | | | | | | |"
            notes.add(name, result["reason"])
            continue
        failed = ", ".join(f"`{rule}`" for rule in result["failed"]) or "none"
        cells = [f"`{result['how']}`: {failed}", str(result["lines"])]
        for form in ("tf2", "tf1-hub"):
            cells += _used(result["formats"][form], name, form, notes)
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield from notes.lines()
    if missing := [name for name in EXAMPLES if name not in results]:
        yield f"- Not measured yet: {', '.join(missing)}."
    yield ""
    yield f"Versions: {_versions(results.values())}; {_dates(one.get('date') for one in results.values())}."


def _used(used: Mapping[str, Any], name: str, form: str, notes: _Notes) -> list[str]:
    """The cells of a format; a reason or a warning becomes a note below the table."""
    if "reason" in used:
        notes.add(f"{name}, {form}", used["reason"])
        return ["not written, see below", "", ""]
    # Those of a removed softmax are no news, and how many variables no gradient reaches is a column.
    told = [text for text in dict.fromkeys(used["warnings"]) if not re.search("was removed|cannot be fine-tuned", text)]
    for text in told:
        notes.add(f"{name}, {form}", text)
    trains = f"{used['reached']} of {used['trainable']}" if used["trainable"] else "no variables"
    if not used["losses"]:
        trains = "losses are not finite"
    return [
        _difference(used["difference"]),
        trains,
        f"{used['moved']} of {used['statistics']}" if used["statistics"] else "-",
    ]


def _consumers(results: Mapping[str, Any]) -> Iterator[str]:
    names = list(dict.fromkeys(found["module"] for found in results["rows"]))
    yield f"| consumer | format | {' | '.join(names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    rows: dict[tuple[str, str], dict[str, str]] = {}
    notes = _Notes()
    for found in results["rows"]:
        consumer = f"{found['consumer']} ({_versions([found])})"
        cells = rows.setdefault((consumer, found["format"]), {})
        cells[found["module"]] = "no, see below" if "reason" in found else _difference(found["difference"])
        if "reason" in found:
            notes.add(f"{found['module']} in {found['consumer']}", found["reason"])
    for (consumer, form), cells in rows.items():
        yield f"| {consumer} | {form} | {' | '.join(cells.get(name, 'not run') for name in names)} |"
    yield ""
    yield from notes.lines()
    measured = {(found["consumer"], found["environment"], found["format"]) for found in results["rows"]}
    if missing := [use for use in USES if use not in measured]:
        listed = "; ".join(f"{kind} on {form}, in the environment `{where}`" for kind, where, form in missing)
        yield f"- Not measured yet: {listed}."
    yield ""
    yield f"Run on {results['date']}."


class _Notes:
    """What is said below a table: each message once, with all that it is about."""

    def __init__(self) -> None:
        self._about: dict[str, list[str]] = {}

    def add(self, about: str, message: str) -> None:
        self._about.setdefault(_cell(message), []).append(about)

    def lines(self) -> Iterator[str]:
        for message, about in self._about.items():
            yield f"- {'; '.join(about)}: {message}"


def _difference(value: float) -> str:
    return "equal" if value == 0 else f"{value:.0e}" if value <= _TOLERANCE else f"**{value:.0e}**"


def _cell(text: str) -> str:
    """A message in one line, or what it means where that is known."""
    for part, meaning in _MEANINGS.items():
        if part in text:
            return f'{meaning} ("{part}")'
    short = " ".join(str(text).split()).replace("|", "\\|")
    return short if len(short) <= _MESSAGE else f"{short[:_MESSAGE].rpartition(' ')[0]} ..."


def _versions(results: Any) -> str:
    found = {(name, version) for result in results for name, version in result.get("packages", {}).items()}
    return ", ".join(f"{name} {version}" for name, version in sorted(found))


def _dates(dates: Any) -> str:
    known = sorted(filter(None, dates))
    return f"run on {known[0]}" if known[0] == known[-1] else f"run from {known[0]} to {known[-1]}"
