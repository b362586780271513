"""Servers that fail: what passes is waited for, the rest is told in one sentence, and never a module's fault."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import hubcheck
from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import EXIT_INCOMPLETE
from hubcheck.module.limits import LIMITS
from hubcheck.util.errors import Unreachable
from tests.paths import DATA
from tests.remote.server import Server, begin, breaks_off, first, never_ends, says_nothing, serving

GOOD = "a_good_feature_vector"
PB = f"/{GOOD}/saved_model.pb"


def judged(uri: str, **options: object) -> ModuleReport:
    (report,) = hubcheck.validate(uri, static=True, **options).modules  # type: ignore[arg-type]
    return report


def resets(handler, content: bytes) -> None:
    """Closes the connection without a word, hard."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()


def is_incomplete(report: ModuleReport, cause: str) -> None:
    """The rules were skipped for this cause, and nothing was found."""
    assert (report.verdict, report.findings, report.count("broken")) == ("incomplete", (), 0)
    assert {outcome.status for outcome in report.outcomes} == {"skipped"}
    (reason,) = {outcome.reason for outcome in report.outcomes}
    assert cause in (reason or ""), reason


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, status: int, pauses: list[float]) -> None:
    server.fails[PB] = [status, status]
    assert judged(server.uri(GOOD)).verdict == "conforms"
    assert len(pauses) == 2
    assert pauses[1] > pauses[0] > 0


@pytest.mark.parametrize("misbehaviour", [breaks_off, resets])
def test_a_connection_that_breaks_once_is_made_again(server: Server, misbehaviour: Callable) -> None:
    server.odd[PB] = first(1, misbehaviour)
    assert judged(server.uri(GOOD)).verdict == "conforms"


CAUSES = {breaks_off: "the connection broke", resets: "the connection broke", never_ends: "more than the declared"}


@pytest.mark.parametrize("misbehaviour", CAUSES)
def test_a_server_that_goes_on_failing_makes_the_module_incomplete(server: Server, misbehaviour: Callable) -> None:
    server.odd[PB] = misbehaviour
    report = judged(server.uri(GOOD))
    is_incomplete(report, CAUSES[misbehaviour])
    assert server.uri(f"{GOOD}/saved_model.pb") in (report.outcomes[0].reason or "")
    # The library asks once more by itself where a connection breaks before an answer.
    assert server.got(f"{GOOD}/saved_model.pb") in (4, 8)


def test_a_server_that_falls_silent_is_left(server: Server) -> None:
    server.odd[PB] = says_nothing
    is_incomplete(judged(server.uri(GOOD), limits=replace(LIMITS, remote_seconds=1)), "does not answer")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_ctrl_c_is_heard_while_a_server_is_silent(server: Server, method: str) -> None:
    heard = threading.Event()

    def waits(handler, content: bytes) -> None:
        heard.set()
        says_nothing(handler, content)

    (server.odd if method == "GET" else server.odd_heads)[PB] = waits
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", server.uri(GOOD)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert heard.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_other_modules_go_on(server: Server) -> None:
    server.odd[PB] = breaks_off
    report = hubcheck.validate([server.uri(GOOD), server.uri("e_fixed_batch_1"), DATA / GOOD], static=True)
    assert [module.verdict for module in report.modules] == ["incomplete", "violates", "conforms"]


def test_a_server_that_is_down_makes_the_module_incomplete(server: Server) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{nobody.getsockname()[1]}/m"
        report = hubcheck.validate([uri, server.uri(GOOD)], static=True)
    assert report.exit_code == EXIT_INCOMPLETE
    assert [module.verdict for module in report.modules] == ["incomplete", "conforms"]
    is_incomplete(report.modules[0], "no connection")


def validate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_not_there_is_refused_like_a_path(server: Server) -> None:
    for name in ("nothing", "nothing.tar.gz", "nothing.zip"):
        done = validate(server.uri(name))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"Error: {server.uri(name)}: no ")
        assert done.stderr.count("\n") == 1


def test_what_is_denied_is_told_as_that(server: Server) -> None:
    server.fails |= {f"/m/{name}": [403] * 9 for name in ("saved_model.pb", "tfhub_module.pb")}
    with pytest.raises(Unreachable, match="403"):
        hubcheck.validate(server.uri("m"), static=True)


def test_a_server_that_denies_what_it_does_not_have_is_read_all_the_same(server: Server) -> None:
    server.fails |= {f"/{GOOD}/{name}": [403] * 9 for name in ("saved_model.pbtxt", "MODULE.md", "keras_metadata.pb")}
    assert judged(server.uri(GOOD)).verdict == "conforms"


def test_a_page_that_is_sorry_is_no_file(server: Server) -> None:
    names = ("saved_model.pbtxt", "saved_model.cpb", "keras_metadata.pb", "fingerprint.pb", "MODULE.md")
    server.pages |= {f"/{GOOD}/{name}": "<h1>Nothing here</h1>" for name in names}
    assert judged(server.uri(GOOD)).verdict == "conforms"


def test_without_what_speaks_http_one_sentence_says_what_to_install(server: Server, tmp_path: Path) -> None:
    for name in ("fsspec", "aiohttp"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('no {name}', name='{name}')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from hubcheck.cli.main import main; main()"
    command = [sys.executable, "-c", code, "validate", "--static", server.uri(GOOD)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted = f"Error: {server.uri(GOOD)} cannot be read: modules on servers need `pip install 'hubcheck[remote]'`\n"
    assert (done.returncode, done.stderr) == (2, wanted)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gs")])
def test_without_the_driver_of_a_cloud_one_sentence_says_what_to_install(scheme: str, extra: str) -> None:
    driver = {"s3": "s3fs", "gs": "gcsfs"}[scheme]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, hubcheck.cli.main as m; sys.modules['{driver}'] = None; m.main()",
         "validate", "--static", f"{scheme}://bucket/m"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    told = f"{scheme}:// needs `pip install 'hubcheck[{extra}]'`"
    assert done.stderr == f"Error: {scheme}://bucket/m cannot be read: {told}\n"


def test_a_scheme_that_nobody_knows_is_told(tmp_path: Path) -> None:
    done = validate("gopher2://host/m")
    assert done.returncode == 2
    assert "gopher2" in done.stderr and done.stderr.count("\n") == 1


def test_redirects_stay_on_web_servers(server: Server, tmp_path: Path) -> None:
    shutil.copy(DATA / GOOD / "saved_model.pb", tmp_path)

    def sends_away(handler, content: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", (tmp_path / "saved_model.pb").as_uri())
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.odd[PB] = sends_away
    is_incomplete(judged(server.uri(GOOD)), "redirects to something else")


def test_redirects_between_web_servers_are_followed(server: Server, tmp_path: Path) -> None:
    with serving(tmp_path) as other:
        (tmp_path / "saved_model.pb").write_bytes((DATA / GOOD / "saved_model.pb").read_bytes())

        def sends_on(handler, content: bytes) -> None:
            handler.send_response(302)
            handler.send_header("Location", other.uri("saved_model.pb"))
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        server.odd[PB] = sends_on
        assert judged(server.uri(GOOD)).verdict == "conforms"


def test_a_body_without_a_length_that_ends_is_taken(server: Server) -> None:
    def goes(handler, content: bytes) -> None:
        begin(handler)
        handler.wfile.write(content)

    server.odd[PB] = goes
    assert judged(server.uri(GOOD)).verdict == "conforms"
