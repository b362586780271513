"""A hub that is checked every night: history, metrics, a baseline, and ignores for modules outside of the project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import hubcheck
from tests.paths import DATA, ROOT

GOOD, BATCH, NAMED = "a_good_feature_vector", "e_fixed_batch_1", "g_input_named_inputs"
DROPOUT = "c_dropout_on_features_train"
BATCH_RULE, NAME_RULE, DROPOUT_RULE = "image-input/batch-size", "image-input/name", "output/no-dropout"


def publish(hub: Path, **modules: str) -> None:
    for name, source in modules.items():
        shutil.rmtree(hub / name, ignore_errors=True)
        shutil.copytree(DATA / source, hub / name)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The project's folder after two nights, and what each of them printed."""
    root = tmp_path_factory.mktemp("hub")
    project, hub = root / "project", root / "hub"
    project.mkdir()
    config = f'static = true\nbaseline = "known.json"\n[[ignore]]\nrules = ["{NAME_RULE}"]\n'
    (project / "hubcheck.toml").write_text(f'{config}path = "../hub/old"\nreason = "Consumers know it."\n')
    publish(hub, steady=GOOD, old=NAMED, known=BATCH)
    done = hubcheck("validate", "../hub", "--update-baseline", cwd=project)
    assert (done.returncode, "wrote known.json: 1 finding, 1 added, 0 removed" in _flat(done.stdout)) == (0, True)
    printed = []
    command = ["validate", "../hub", "--output", "history=history", "--output", "metrics.prom"]
    for night, modules in enumerate(({"late": BATCH, "mended": DROPOUT}, {"mended": GOOD, "fresh": NAMED}), 1):
        publish(hub, **modules)
        files = [f"night{night}.{suffix}" for suffix in ("json", "md", "xml", "sarif")]
        outputs = [part for file in (*files, f"github=night{night}.github") for part in ("--output", file)]
        done = hubcheck(*command, *outputs, cwd=project)
        assert (done.returncode, done.stderr) == (1, "")
        printed.append(_flat(done.stdout))
        if night == 1:
            (file,) = (project / "history").glob("*.jsonl")
            run = json.loads(file.read_text().splitlines()[0])["run"]
            text = file.read_text().replace(run, "2026-01-02T01:00:00Z")
            file.unlink()
            (project / "history" / "2026-01-02T01-00-00Z.jsonl").write_text(text)
    return project, printed


def _flat(text: str) -> str:
    return " ".join(text.split())


def test_the_first_night_begins_the_history(nights):
    project, (first, _) = nights
    assert "history first run of these modules: 2 findings" in first
    assert "written history, metrics.prom, night1.json, night1.md, night1.xml" in first
    lines = [json.loads(line) for line in (project / "history" / "2026-01-02T01-00-00Z.jsonl").read_text().splitlines()]
    assert [(line["module"], line["verdict"], [row["status"] for row in line["findings"]]) for line in lines] == [
        ("../hub/known", "conforms", ["suppressed"]),
        ("../hub/late", "violates", ["failing"]),
        ("../hub/mended", "violates", ["failing"]),
        ("../hub/old", "conforms", ["suppressed"]),
        ("../hub/steady", "conforms", []),
    ]


def test_the_second_night_tells_what_is_new_fixed_and_still_failing(nights):
    project, (_, second) = nights
    report = json.loads((project / "night2.json").read_text())
    jsonschema.validate(report, json.loads((ROOT / "rules/schema/report.schema.json").read_text()))
    history, old = report["history"], {"level": "error", "findings": 1, "since": "2026-01-02T01:00:00Z"}
    assert history == {
        "previous": old["since"],
        "new": [{**old, "path": "../hub/fresh", "rule": NAME_RULE, "since": report["created"], "runs": 1}],
        "fixed": [{**old, "path": "../hub/mended", "rule": DROPOUT_RULE, "runs": 1}],
        "failing": [{**old, "path": "../hub/late", "rule": BATCH_RULE, "runs": 2}],
    }
    assert (
        "history since 2026-01-02 01:00 UTC: 1 new, 1 fixed, 1 still failing, the oldest since 2026-01-02 01:00 UTC"
        in second
    )
    assert (
        f"new error {NAME_RULE} in ../hub/fresh fixed error {DROPOUT_RULE} in ../hub/mended since 2026-01-02" in second
    )
    assert f"failing error {BATCH_RULE} in ../hub/late since 2026-01-02 01:00 UTC, 2 runs" in second
    assert "2 findings suppressed" in second
    assert "unused" not in second
    for name in ("night2.md", "night2.xml", "night2.github"):
        assert "1 new, 1 fixed, 1 still failing" in (project / name).read_text().replace("\\", "").replace("%2C", ",")
    sarif = json.loads((project / "night2.sarif").read_text())
    assert sarif["runs"][0]["properties"]["history"] == history


def test_prometheus_reads_the_metrics(nights):
    pytest.importorskip("prometheus_client")
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
    from prometheus_client.parser import text_string_to_metric_families as plain

    project, _ = nights
    text, seconds = (project / "metrics.prom").read_text(), json.loads((project / "night2.json").read_text())["created"]
    for parse in (openmetrics, plain):
        samples = {(s.name, *sorted(s.labels.values())): s.value for family in parse(text) for s in family.samples}
        assert [samples["hubcheck_modules", v] for v in ("conforms", "violates", "incomplete")] == [4, 2, 0]
        assert (
            samples["hubcheck_findings", "error", BATCH_RULE]
            == samples["hubcheck_failing_modules", "error", NAME_RULE]
            == 1
        )
        assert (
            samples["hubcheck_suppressed_findings", "baseline"]
            == samples["hubcheck_suppressed_findings", "ignore"]
            == 1
        )
        assert [samples["hubcheck_history_findings", kind] for kind in ("new", "fixed", "failing")] == [1, 1, 1]
        assert (samples["hubcheck_run_exit_code",], samples["hubcheck_run_duration_seconds",] > 0) == (1, True)
        assert samples["hubcheck_run_timestamp_seconds",] > 1.7e9
        assert seconds.startswith("20")


def test_what_a_run_could_not_check_is_neither_fixed_nor_new(nights, tmp_path):
    """A run of one group of rules carries the findings of the others along."""
    project, _ = nights
    folder = shutil.copytree(project / "history", tmp_path / "history")
    command = ("validate", "../hub/late", "--output", f"history={folder}", "--format", "json")
    other = json.loads(hubcheck(*command, "--select", "output", cwd=project).stdout)["history"]
    assert [other["new"], other["fixed"], other["failing"]] == [[], [], []]
    again = json.loads(hubcheck(*command, cwd=project).stdout)["history"]
    assert [(row["since"], row["runs"]) for row in again["failing"]] == [("2026-01-02T01:00:00Z", 3)]
    assert again["new"] == []


def test_a_history_that_cannot_be_used_is_exit_2_before_anything_is_checked(nights, tmp_path):
    project, _ = nights
    (tmp_path / "2026-01-02T01-00-00Z.jsonl").write_text('{"version": 1, "run": "x"}\n')
    for folder, says in (
        (tmp_path, "2026-01-02T01-00-00Z.jsonl: line 1 is not a line of a history; remove the file"),
        ("/dev/null/history", "/dev/null/history: the history cannot be saved here"),
    ):
        done = hubcheck("validate", "../hub", "--output", f"history={folder}", "--output", "x.json", cwd=project)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
        assert not (project / "x.json").exists()
    twice = ("--output", "history=a", "--output", "history=b")
    assert "give --output history=DIR once" in hubcheck("validate", "../hub", *twice, cwd=project).stderr
