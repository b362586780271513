"""Every module gets a verdict: a short run of what `make fuzz` does for long, and what it once found."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import hubcheck
from tests.fuzz import campaign
from tests.fuzz.judge import Judge
from tests.fuzz.mazes import MAZES, module
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

FOUND = sorted((Path(__file__).parent / "found").glob("*.gz"))
SIZES = 10
"""Mazes are a tenth as large here as they are for `make fuzz`."""


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_modules_get_a_verdict(target: str) -> None:
    result = campaign.run(seeds(), first=0, runs=60, seconds=6, only=target)
    assert result.crashes == {}
    assert result.runs.total() > 5


@pytest.mark.parametrize("name", MAZES)
def test_a_maze_gets_a_verdict(judge: Judge, tmp_path: Path, name: str) -> None:
    maze, size = MAZES[name]
    (tmp_path / "saved_model.pb").write_bytes(module(maze, max(size // SIZES, 20)))
    judge(tmp_path)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name.partition(".")[0])
def test_what_once_broke_hubcheck_gets_a_verdict(judge: Judge, tmp_path: Path, file: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(gzip.decompress(file.read_bytes()))
    (tmp_path / "assets").mkdir()
    judge(tmp_path, thorough=True)


def test_a_run_can_be_told_from_none() -> None:
    """The mutations reach what stands behind the reader: many rules, not the first one alone, are broken by them."""
    result = campaign.run(seeds(), first=0, runs=150, seconds=20, only="structure")
    assert len(result.findings) > 5


def test_findings_of_one_rule_are_told_up_to_a_number(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(module(MAZES["signatures"][0], 1000))
    findings = hubcheck.validate(tmp_path, static=True).findings
    assert [finding.rule for finding in findings] == ["safety/custom-ops"] * 201
    assert "more findings of this rule" in findings[-1].message
