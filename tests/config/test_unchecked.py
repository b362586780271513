"""A module conforms only if every selected rule was decided, does not apply, or rests on a fault that was accepted."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hubcheck
from hubcheck.config.baseline import KnownFinding, write_baseline
from hubcheck.engine import evaluation
from hubcheck.engine.identity import fingerprints, module_key
from hubcheck.rulebook.rules import load_rules, matching
from tests.paths import DATA
from tests.publishing import scripts

RULES = load_rules()
GROUPS = sorted({rule.group for rule in RULES.values()})
BLANKET = {"module/readable", "module/loads", "behaviour/runs", *matching("safety", RULES)}
SCRIPTS = [script for script in scripts() if "NEEDS" not in script.constants]
BAD, GOOD = ([script.id for script in SCRIPTS if script.good is good] for good in (False, True))
BATCH_OF_1, UNREADABLE = DATA / "e_fixed_batch_1", DATA / "cases" / "unsafe_behind_unreadable"


@dataclass(frozen=True)
class Choice:
    """What a user may say about findings; each is a set of patterns, but for the rules in the baseline."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    select_entries: tuple[str, ...] = ()
    ignore_entries: tuple[str, ...] = ()
    xfail_entries: tuple[str, ...] = ()
    baseline: frozenset[str] = field(default_factory=frozenset)

    @property
    def selected(self) -> set[str]:
        """The rules that are selected, whether or not an option ignores them."""
        selected = rules_of(self.select) if self.select else set(RULES)
        return selected & rules_of(self.select_entries) if self.select_entries else selected


def rules_of(patterns: Iterable[str]) -> set[str]:
    return {rule for pattern in patterns for rule in matching(pattern, RULES)}


@cache
def everything(module: Path) -> hubcheck.ModuleReport:
    """The static report with all rules and nothing suppressed."""
    (report,) = hubcheck.validate(module, static=True).modules
    assert [outcome.reason for outcome in report.outcomes if outcome.status == "broken"] == []
    return report


def judged(module: Path, choice: Choice) -> hubcheck.ModuleReport:
    """The static report of a module, after a user's choice."""
    with TemporaryDirectory() as folder:
        names = {"select": choice.select_entries, "ignore": choice.ignore_entries, "xfail": choice.xfail_entries}
        text = 'baseline = "known.json"\n' if choice.baseline else ""
        for kind, patterns in names.items():
            text += "".join(f'[[{kind}]]\nrules = ["{pattern}"]\nreason = "because"\n' for pattern in patterns)
        (Path(folder) / "hubcheck.toml").write_text(text, encoding="utf-8")
        if choice.baseline:
            report = everything(module)
            key = module_key(report.path, Path(folder))
            prints = fingerprints(report, key)
            known = [f for f in report.findings if f.rule in choice.baseline]
            rows = [KnownFinding(key, f.rule, prints[f], f.message) for f in known]
            write_baseline(Path(folder) / "known.json", rows)
        config = Path(folder) / "hubcheck.toml"
        options = {"select": choice.select, "ignore": choice.ignore}
        (report,) = hubcheck.validate(module, static=True, config=config, cache=False, **options).modules
        return report


def failed_needs(rule: str, truth: hubcheck.ModuleReport) -> set[str]:
    """The rules that have failed and that a rule needs to be checked from files, told from the rule files alone."""
    faulty = {finding.rule for finding in truth.findings if finding.level == "error"}
    needs = {need for pattern in RULES[rule].needs for need in matching(pattern, RULES)}
    reasons = {outcome.rule: outcome.reason for outcome in truth.outcomes if outcome.status == "skipped"}
    if reasons.get(rule) == "needs module/readable":
        needs.add("module/readable")
    found = needs & faulty - {rule}
    if any(outcome.rule == "image-input/rank" and outcome.status != "skipped" for outcome in truth.outcomes):
        found -= {"module/task-signature"}  # the callable is judged in its place
    if "module/readable" in needs and "the archive is not safe to unpack" in reasons.get("module/readable", ""):
        found.add("safety/paths")
    return found


def why_conforming_is_wrong(report: hubcheck.ModuleReport, choice: Choice, truth: hubcheck.ModuleReport) -> list[str]:
    """What a conforming verdict promises and does not hold."""
    wrong = []
    status = {outcome.rule: outcome.status for outcome in report.outcomes}
    counted = {(row.need, rule) for row in report.unchecked for rule in row.rules}
    accepted = choice.baseline | rules_of(choice.xfail_entries)
    ignored = rules_of((*choice.ignore, *choice.ignore_entries))
    for rule in sorted(choice.selected - rules_of(choice.ignore)):
        if status[rule] == "broken":
            wrong.append(f"{rule} crashed")
        for need in failed_needs(rule, truth) if status[rule] == "skipped" else ():
            if need not in choice.selected:
                wrong.append(f"{rule} rests on {need}, which is not selected")
            elif need in ignored and need in BLANKET:
                wrong.append(f"{rule} rests on {need}, which is blanket and ignored")
            elif need not in ignored | accepted:
                wrong.append(f"{rule} rests on {need}, which counts")
            if (need, rule) not in counted:
                wrong.append(f"{rule} rests on {need}, and is not counted")
    return wrong


def patterns(rules: Collection[str], most: int) -> st.SearchStrategy[tuple[str, ...]]:
    """Rules and groups: those of the faults at hand as often as any others."""
    near = st.sampled_from([*rules, *{rule.partition("/")[0] for rule in rules}]) if rules else st.nothing()
    return st.lists(near | st.sampled_from([*RULES, *GROUPS]), max_size=most, unique=True).map(tuple)


def choices(truth: hubcheck.ModuleReport) -> st.SearchStrategy[Choice]:
    faulty = sorted({finding.rule for finding in truth.findings})
    resting = sorted(rule for rule in RULES if failed_needs(rule, truth))
    known = st.sets(st.sampled_from(faulty)).map(frozenset) if faulty else st.just(frozenset[str]())
    return st.builds(
        Choice,
        select=st.just(()) | patterns(resting, 4),
        ignore=st.just(()) | patterns(faulty, 2),
        select_entries=st.just(()) | st.just(()) | patterns(resting, 4),
        ignore_entries=st.just(()) | patterns(faulty, 2),
        xfail_entries=st.just(()) | patterns(faulty, 2),
        baseline=st.just(frozenset[str]()) | known,
    )


def test_conforms_is_a_promise(fixture_module: Callable[[str], Path]) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=450, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        module = fixture_module(
            data.draw(st.sampled_from(BAD) | st.sampled_from(BAD) | st.sampled_from(GOOD), label="fixture")
        )
        truth = everything(module)
        choice = data.draw(choices(truth), label="choice")
        report = judged(module, choice)
        seen[report.verdict] += 1
        if report.verdict == "conforms":
            seen["conforms, and something was not checked"] += bool(report.unchecked)
            assert why_conforming_is_wrong(report, choice, truth) == []

    holds()
    assert min(seen[verdict] for verdict in ("conforms", "violates", "incomplete")) > 10, seen
    assert seen["conforms, and something was not checked"] > 5, seen


TABLE = [
    # the module, what is said, the verdict, and why the fault of the need does not count
    (BATCH_OF_1, Choice(select=("output",)), "incomplete", "not selected"),
    (BATCH_OF_1, Choice(select_entries=("output",)), "incomplete", "not selected"),
    (BATCH_OF_1, Choice(ignore=("image-input/batch-size",)), "conforms", "ignore"),
    (BATCH_OF_1, Choice(ignore_entries=("image-input",)), "conforms", "ignore"),
    (BATCH_OF_1, Choice(xfail_entries=("image-input/batch-size",)), "conforms", "xfail"),
    (BATCH_OF_1, Choice(baseline=frozenset({"image-input/batch-size"})), "conforms", "baseline"),
    (UNREADABLE, Choice(select=("output",)), "incomplete", "not selected"),
    (UNREADABLE, Choice(select_entries=("output",)), "incomplete", "not selected"),
    (UNREADABLE, Choice(ignore=("module/readable", "safety")), "incomplete", "ignore"),
    (UNREADABLE, Choice(ignore_entries=("module/readable", "safety")), "incomplete", "ignore"),
    (UNREADABLE, Choice(xfail_entries=("module/readable", "safety")), "conforms", "xfail"),
    (UNREADABLE, Choice(baseline=frozenset({"module/readable", "safety/file-access"})), "conforms", "baseline"),
]


@pytest.mark.parametrize(("module", "choice", "verdict", "why"), TABLE)
def test_a_fault_that_does_not_count_keeps_the_verdict_as_the_table_says(
    module: Path, choice: Choice, verdict: str, why: str
) -> None:
    report = judged(module, choice)
    need = "image-input/batch-size" if module == BATCH_OF_1 else "module/readable"
    (row,) = report.unchecked
    assert (report.verdict, row.need, row.why, row.accepted) == (verdict, need, why, verdict == "conforms")
    assert "output/batch-size" in row.rules
    (outcome,) = (outcome for outcome in report.outcomes if outcome.rule == "output/batch-size")
    assert (outcome.status, outcome.rests_on, outcome.complete) == ("skipped", (need,), verdict == "conforms")
    assert (outcome.reason or "").startswith(f"needs {need}, ")


def test_a_fault_that_counts_is_reason_enough_for_what_rests_on_it() -> None:
    report = judged(BATCH_OF_1, Choice())
    assert (report.verdict, report.unchecked) == ("violates", ())


@pytest.mark.parametrize(
    ("module", "rule", "verdict"),
    [(BATCH_OF_1, "image-input/batch-size", "conforms"), (UNREADABLE, "module/readable", "incomplete")],
)
def test_a_lowered_level_accepts_no_more_than_an_ignore(module: Path, rule: str, verdict: str, tmp_path: Path) -> None:
    text = f'[levels]\n"{rule}" = "note"\n[[xfail]]\nrules = ["safety"]\nreason = "because"\n'
    (tmp_path / "hubcheck.toml").write_text(text, encoding="utf-8")
    (report,) = hubcheck.validate(module, static=True, config=tmp_path / "hubcheck.toml").modules
    assert report.verdict == verdict
    assert [(row.need, row.why) for row in report.unchecked] == [(rule, "below fail-on")]


def test_the_rules_whose_ignoring_accepts_nothing_else_are_those_of_the_table() -> None:
    assert {rule.id for rule in RULES.values() if rule.blanket} == BLANKET


def _crash(*arguments: object, **parameters: object) -> None:
    raise ZeroDivisionError


CRASHING = ["module/readable", "output/rank", "output/key-prefix", "safety/network"]


@pytest.mark.parametrize("crashing", CRASHING)
@pytest.mark.parametrize(
    "choice",
    [
        Choice(),
        Choice(select=("image-input/name",)),
        Choice(ignore=tuple(CRASHING)),
        Choice(ignore_entries=tuple(CRASHING)),
        Choice(xfail_entries=tuple(CRASHING)),
        Choice(select_entries=("image-input/name",)),
    ],
)
def test_a_crash_is_incomplete_and_exit_70_whatever_is_said(
    crashing: str, choice: Choice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, name = evaluation.predicate, RULES[crashing].check
    monkeypatch.setattr(evaluation, "predicate", lambda check: _crash if check == name else original(check))
    shutil.copytree(DATA / "a_good_feature_vector", tmp_path / "m")
    kinds = {"select": choice.select_entries, "ignore": choice.ignore_entries, "xfail": choice.xfail_entries}
    rows = (f'[[{kind}]]\nrules = ["{rule}"]\nreason = "because"\n' for kind, all_ in kinds.items() for rule in all_)
    (tmp_path / "hubcheck.toml").write_text("".join(rows), encoding="utf-8")
    options = {"select": choice.select, "ignore": choice.ignore}
    report = hubcheck.validate(tmp_path / "m", static=True, config=tmp_path / "hubcheck.toml", **options)
    (module,) = report.modules
    assert (module.verdict, report.exit_code) == ("incomplete", 70)
    assert crashing in {outcome.rule for outcome in module.outcomes if outcome.status == "broken"}
