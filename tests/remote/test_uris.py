"""URIs are unchanged in reports, configuration and baselines, and accepted by all commands."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

import hubcheck
from hubcheck.config.file import PolicyEntry
from hubcheck.engine.identity import module_key
from hubcheck.module.uri import Uri, is_uri, parse_source
from hubcheck.report.formats import FORMATS
from tests.cli.command import hubcheck as hubcheck_command
from tests.paths import DATA
from tests.remote.reports import BAD, GOOD
from tests.remote.server import Server


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return hubcheck_command(*arguments, cwd=folder)


def validate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "validate", "--static", *arguments)


@pytest.mark.parametrize(
    "text", ["https://h/m", "gs://b/m", "zip://m::https://h/m.zip", "memory://", "simplecache::s3://b/m"]
)
def test_uris_are_recognized(text: str) -> None:
    assert is_uri(text)
    assert str(parse_source(text)) == text


@pytest.mark.parametrize("text", ["m", "./m", "/m", "C:/m", "a:b", "exports//m", "://m", "1a://m"])
def test_paths_are_recognized(text: str) -> None:
    assert parse_source(text) == Path(text)


BELOW = {
    "https://h/m": "https://h/m/a%20b/c%23.txt",
    "https://h/m/": "https://h/m/a%20b/c%23.txt",
    "https://h/m?v=1&x=/": "https://h/m/a%20b/c%23.txt?v=1&x=/",
    "gs://b/m": "gs://b/m/a b/c#.txt",
    "memory://": "memory://a b/c#.txt",
    "simplecache::gs://b/m": "simplecache::gs://b/m/a b/c#.txt",
    "zip://m::https://h/m.zip": "zip://m/a b/c#.txt::https://h/m.zip",
}


@pytest.mark.parametrize("uri", BELOW)
def test_uris_of_files_in_folders(uri: str) -> None:
    assert Uri(uri).below("a b/c#.txt").uri == BELOW[uri]
    assert Uri(uri).below("").uri == uri


def test_names_and_parents_of_uris() -> None:
    names = {"https://h/a/m?x=/y": "m", "gs://b/m/": "m", "zip://m::https://h/x.zip": "m", "https://h/a%20b": "a b"}
    assert {uri: Uri(uri).name for uri in names} == names
    parents = {"https://h/a/m?x=1": "https://h/a?x=1", "gs://b/a/m": "gs://b/a", "zip://m::https://h/x.zip": None}
    assert {uri: parent.uri if (parent := Uri(uri).parent) else None for uri in parents} == parents


@pytest.mark.parametrize("style", FORMATS)
def test_every_format_names_the_uri(style: str, server: Server, tmp_path: Path) -> None:
    uri = server.uri(BAD)
    done = validate(tmp_path, "--format", style, uri)
    assert done.returncode == 1, done.stderr
    text = done.stdout.replace("\\/", "/").replace("%3A", ":").replace("%2F", "/")
    assert uri in text
    assert "http:/1" not in text


def test_sarif_points_at_the_file_by_its_uri(server: Server, tmp_path: Path) -> None:
    log = json.loads(validate(tmp_path, "--format", "sarif", server.uri(BAD)).stdout)
    (location,) = log["runs"][0]["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": server.uri(f"{BAD}/saved_model.pb")}


def test_chained_uris_are_encoded_to_one_valid_uri() -> None:
    assert Uri("zip://m::https://h/m.zip").encoded == "zip://m%3A%3Ahttps%3A//h/m.zip"
    assert Uri("https://u:p@h/a b?x=1#f").encoded == "https://h/a%20b?x=1#f"


def test_passwords_are_not_written_to_baselines_and_reports(server: Server, tmp_path: Path) -> None:
    uri = server.uri(BAD).replace("://", "://me:secret@")
    assert module_key(uri, tmp_path) == server.uri(BAD)
    validate(tmp_path, "--baseline", "known.json", "--update-baseline", "--output", "report.sarif", uri)
    for name in ("known.json", "report.sarif"):
        assert "secret" not in (tmp_path / name).read_text(encoding="utf-8")


def test_configuration_entries_match_uris(server: Server, tmp_path: Path) -> None:
    entry = '[[ignore]]\nrules = ["image-input/batch-size"]\nreason = "r"\npath = "%s"\n'
    for path, code in ((server.uri("**"), 0), (server.uri(BAD), 0), ("**", 0), (server.uri("x/**"), 1), ("exports", 1)):
        (tmp_path / "hubcheck.toml").write_text(entry % path, encoding="utf-8")
        done = validate(tmp_path, server.uri(BAD))
        assert done.returncode == code, (path, done.stdout)
        assert ("no module at" in done.stdout) == (path == "exports")
    entry = PolicyEntry((), "", "https://h/**")
    assert entry.covers("https://h/a/b") and not entry.covers("https://other/a")


def test_scripts_of_the_configuration_are_looked_up_by_uri(server: Server, tmp_path: Path) -> None:
    (tmp_path / "hubcheck.toml").write_text(f'[scripts]\n"{server.uri(BAD)}" = "publish.py"\n', encoding="utf-8")
    log = json.loads(validate(tmp_path, "--format", "sarif", server.uri(BAD)).stdout)
    (location,) = log["runs"][0]["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "publish.py"


def test_the_baseline_identifies_modules_by_uri(server: Server, tmp_path: Path) -> None:
    baseline = ("--baseline", "known.json")
    validate(tmp_path, *baseline, "--update-baseline", server.uri(BAD))
    assert validate(tmp_path, *baseline, server.uri(BAD)).returncode == 0
    validate(tmp_path, *baseline, "--update-baseline", server.uri(GOOD))
    done = validate(tmp_path, *baseline, server.uri(BAD))
    assert done.returncode == 0, "an update of another module keeps what is known of this one"
    assert "no module at" not in done.stdout


def test_several_processes_check_uris(server: Server, tmp_path: Path) -> None:
    uris = [server.uri(name) for name in (GOOD, BAD)]
    done = validate(tmp_path, "--jobs", "2", "--format", "json", *uris)
    modules = json.loads(done.stdout)["modules"]
    assert [(module["path"], module["verdict"]) for module in modules] == [(uris[0], "conforms"), (uris[1], "violates")]


def test_show_and_diff_accept_uris(server: Server, tmp_path: Path) -> None:
    shown = run(tmp_path, "show", server.uri(GOOD))
    assert (shown.returncode, shown.stdout.split()[0]) == (0, server.uri(GOOD))
    assert shown.stdout.split("\n", 1)[1] == run(tmp_path, "show", str(DATA / GOOD)).stdout.split("\n", 1)[1]
    found = run(tmp_path, "diff", "--static", str(DATA / GOOD), server.uri(GOOD))
    assert found.returncode == 0, found.stdout + found.stderr
    assert server.uri(GOOD) in found.stdout


def test_replay_accepts_the_uri_of_a_finding(server: Server, tmp_path: Path) -> None:
    report = hubcheck.validate(server.uri("n_default_differs"))
    (command,) = {finding.replay for finding in report.findings if finding.replay}
    words = shlex.split(command)
    assert words[:3] == ["hubcheck", "replay", server.uri("n_default_differs")]
    done = run(tmp_path, *words[1:])
    assert done.returncode == 0, done.stdout + done.stderr


def test_replay_of_a_missing_module_is_an_error(server: Server, tmp_path: Path) -> None:
    for where in (server.uri("nothing"), "nothing"):
        done = run(tmp_path, "replay", where)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
