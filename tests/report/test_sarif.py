"""SARIF: its published schema, what GitHub's code scanning requires, and a tool that reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from hubcheck.report.formats import render

SARIF_SCHEMA = Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json"


def test_sarif_is_valid_against_the_published_schema(whole):
    log = json.loads(render(whole, "sarif"))
    jsonschema.Draft7Validator(json.loads(SARIF_SCHEMA.read_text(encoding="utf-8"))).validate(log)


def test_sarif_has_what_code_scanning_requires(whole):
    run = json.loads(render(whole, "sarif"))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
    assert run["automationDetails"]["id"].endswith("/")
    prints = []
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert not uri.startswith(("/", "file:", ".."))
        assert " " not in uri
        assert location["physicalLocation"]["region"]["startLine"] == 1
        prints.append(result["partialFingerprints"]["primaryLocationLineHash"])
    assert len(prints) == len(set(prints)) > 3


def test_findings_are_at_the_publishing_script_if_the_configuration_names_it(whole):
    run = json.loads(render(whole, "sarif"))["runs"][0]
    uris = {
        r["properties"]["module"]: r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for r in run["results"]
    }
    assert uris["modules/batch"] == "publish/batch.py"
    assert uris["modules/dropout"] == "modules/dropout/saved_model.pb"


def test_sarif_tools_reads_it(whole, tmp_path):
    pytest.importorskip("sarif", reason="sarif-tools is not installed")
    (tmp_path / "hubcheck.sarif").write_text(render(whole, "sarif"), encoding="utf-8")
    command = [sys.executable, "-m", "sarif", "summary", str(tmp_path / "hubcheck.sarif")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    suppressed = [item.finding for module in whole.modules for item in module.suppressed]
    errors = sum(finding.level == "error" for finding in (*whole.findings, *suppressed))
    assert f"error: {errors}" in done.stdout
    assert "output/no-dropout" in done.stdout
