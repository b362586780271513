"""A run of 50 modules, of which every third attacks the run itself with native code in its worker."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.reports import EXIT_FINDINGS, Report
from hubcheck.probe.dispatch.kept_servers import KEPT_SERVERS
from hubcheck.probe.options import ProbeOptions
from hubcheck.report import json as json_format
from hubcheck.report import text
from hubcheck.sandbox import enforce
from hubcheck.sandbox.processes import children
from tests.paths import DATA
from tests.probe import attacked_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(enforce.unavailable() is not None, reason=str(enforce.unavailable())),
]

COUNT = 50
HONEST = {
    "a_good_feature_vector": "conforms",
    "b_good_classification": "conforms",
    "e_fixed_batch_1": "violates",
    "n_default_differs": "violates",
}
ATTACKS = {
    "exit_like_our_own_crash": "violates",
    "segfault": "violates",
    "print_control_characters": "violates",
    "print_much": "violates",
    "flood_of_frames": "violates",
    "half_a_frame": "violates",
    "close_the_channel": "violates",
    "endless_frame": "violates",
    "raise_slow_text": "violates",
    "raise_control_characters": "violates",
    "nest_folders": "violates",
    "bomb": None,
    "a_claim_that_there_is_a_sandbox": "violates",
    "an_end_before_anything_was_called": "violates",
    "loop": "incomplete",
    "kill_itself": "incomplete",
    "claim_a_crash_of_hubcheck": "incomplete",
}
"""The verdict on each attack. That on threads without end depends on which limit of the machine they reach first."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str | None], Report, list[str], set[int]]:
    """The wanted verdicts by path, the report, what was left in the folder for temporary files, and the processes."""
    folder, scratch = tmp_path_factory.mktemp("attacked"), tmp_path_factory.mktemp("scratch")
    attacks, honest = iter(ATTACKS.items()), list(HONEST.items())
    wanted: dict[str, str | None] = {}
    for number in range(COUNT):
        attack = next(attacks, None) if number % 3 == 0 else None
        name, verdict = attack if attack is not None else honest[number % len(honest)]
        place = folder / f"{number:02}" / (f"{attacked_server.PREFIX}{name}" if attack is not None else name)
        shutil.copytree(DATA / (honest[0][0] if attack is not None else name), place)
        wanted[str(place)] = verdict
    assert sum(attacked_server.PREFIX in path for path in wanted) == len(range(0, COUNT, 3))
    KEPT_SERVERS.close()
    before = set(children())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(scratch))
        patch.setattr("hubcheck.probe.dispatch.server_process._SERVER", Path(attacked_server.__file__))
        report = hubcheck.validate(list(wanted), probe=ProbeOptions(timeout=30.0, memory=4 << 30), cache=False)
        KEPT_SERVERS.close()
    return wanted, report, [path.name for path in scratch.iterdir()], set(children()) - before


def test_every_module_has_the_right_verdict_and_the_exit_code_is_that_of_the_findings(run):
    wanted, report, _, _ = run
    verdicts = {module.path: module.verdict for module in report.modules}
    assert list(verdicts) == list(wanted)
    wrong = {
        Path(path).name: (verdict, wanted[path], [str(f.message) for f in module.findings])
        for (path, verdict), module in zip(verdicts.items(), report.modules, strict=True)
        if wanted[path] is not None and verdict != wanted[path]
    }
    assert wrong == {}
    assert "conforms" not in {verdict for path, verdict in verdicts.items() if attacked_server.PREFIX in path}
    assert report.exit_code == EXIT_FINDINGS


def test_nothing_is_left_behind(run):
    _, _, files, processes = run
    assert (files, processes) == ([], set())


def test_reports_are_whole_and_have_no_control_characters(run):
    _, report, _, _ = run
    assert len(json.loads("".join(json_format.render(report)))["modules"]) == COUNT
    assert all(line.isprintable() for line in "".join(text.render(report)).split("\n"))
