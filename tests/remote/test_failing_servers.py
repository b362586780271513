"""Servers that fail: transient failures are retried, others make the module incomplete, with a reason."""

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
from tests.remote.reports import GOOD, check
from tests.remote.server import Server, begin, first, never_answers, never_ends, sends_half, serving

PB = f"/{GOOD}/saved_model.pb"


def resets(handler, content: bytes) -> None:
    """Reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()


def is_incomplete(report: ModuleReport, cause: str) -> None:
    """Assert that all rules were skipped for this cause."""
    assert (report.verdict, report.findings, report.count("broken")) == ("incomplete", (), 0)
    assert {outcome.status for outcome in report.outcomes} == {"skipped"}
    (reason,) = {outcome.reason for outcome in report.outcomes}
    assert cause in (reason or ""), reason


@pytest.mark.parametrize("status", [429, 500, 503])
def test_requests_to_a_busy_server_are_retried(server: Server, status: int, pauses: list[float]) -> None:
    server.fails[PB] = [status, status]
    assert check(server.uri(GOOD)).verdict == "conforms"
    assert len(pauses) == 2
    assert pauses[1] > pauses[0] > 0


@pytest.mark.parametrize("misbehaviour", [sends_half, resets])
def test_a_broken_connection_is_retried(server: Server, misbehaviour: Callable) -> None:
    server.overrides[PB] = first(1, misbehaviour)
    assert check(server.uri(GOOD)).verdict == "conforms"


CAUSES = {sends_half: "the connection broke", resets: "the connection broke", never_ends: "more than the declared"}


@pytest.mark.parametrize("misbehaviour", CAUSES)
def test_a_server_that_keeps_failing_makes_the_module_incomplete(server: Server, misbehaviour: Callable) -> None:
    server.overrides[PB] = misbehaviour
    report = check(server.uri(GOOD))
    is_incomplete(report, CAUSES[misbehaviour])
    assert server.uri(f"{GOOD}/saved_model.pb") in (report.outcomes[0].reason or "")
    # aiohttp itself retries once if a connection breaks before the response.
    assert server.got(f"{GOOD}/saved_model.pb") in (4, 8)


def test_a_server_that_stops_answering_makes_the_module_incomplete(server: Server) -> None:
    server.overrides[PB] = never_answers
    is_incomplete(check(server.uri(GOOD), limits=replace(LIMITS, remote_seconds=1)), "does not answer")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_ctrl_c_ends_the_run_while_a_server_does_not_answer(server: Server, method: str) -> None:
    heard = threading.Event()

    def waits(handler, content: bytes) -> None:
        heard.set()
        never_answers(handler, content)

    (server.overrides if method == "GET" else server.head_overrides)[PB] = waits
    command = [sys.executable, "-m", "hubcheck", "validate", "--static", server.uri(GOOD)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert heard.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_other_modules_are_still_checked(server: Server) -> None:
    server.overrides[PB] = sends_half
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


def test_a_missing_module_is_an_error_as_it_is_for_paths(server: Server) -> None:
    for name in ("nothing", "nothing.tar.gz", "nothing.zip"):
        done = validate(server.uri(name))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"Error: {server.uri(name)}: no ")
        assert done.stderr.count("\n") == 1


def test_denied_access_is_an_error_with_the_status(server: Server) -> None:
    server.fails |= {f"/m/{name}": [403] * 9 for name in ("saved_model.pb", "tfhub_module.pb")}
    with pytest.raises(Unreachable, match="403"):
        hubcheck.validate(server.uri("m"), static=True)


def test_denied_access_to_optional_files_does_not_matter(server: Server) -> None:
    server.fails |= {f"/{GOOD}/{name}": [403] * 9 for name in ("saved_model.pbtxt", "MODULE.md", "keras_metadata.pb")}
    assert check(server.uri(GOOD)).verdict == "conforms"


def test_an_html_page_instead_of_a_file_counts_as_a_missing_file(server: Server) -> None:
    names = ("saved_model.pbtxt", "saved_model.cpb", "keras_metadata.pb", "fingerprint.pb", "MODULE.md")
    server.pages |= {f"/{GOOD}/{name}": "<h1>Nothing here</h1>" for name in names}
    assert check(server.uri(GOOD)).verdict == "conforms"


def test_a_missing_http_library_is_an_error_with_the_command_to_install_it(server: Server, tmp_path: Path) -> None:
    for name in ("fsspec", "aiohttp"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('no {name}', name='{name}')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from hubcheck.cli.main import main; main()"
    command = [sys.executable, "-c", code, "validate", "--static", server.uri(GOOD)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted = f"Error: {server.uri(GOOD)} cannot be read: modules on servers need `pip install 'hubcheck[remote]'`\n"
    assert (done.returncode, done.stderr) == (2, wanted)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gs")])
def test_a_missing_cloud_driver_is_an_error_with_the_command_to_install_it(scheme: str, extra: str) -> None:
    driver = {"s3": "s3fs", "gs": "gcsfs"}[scheme]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, hubcheck.cli.main as m; sys.modules['{driver}'] = None; m.main()",
         "validate", "--static", f"{scheme}://bucket/m"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    remedy = f"{scheme}:// needs `pip install 'hubcheck[{extra}]'`"
    assert done.stderr == f"Error: {scheme}://bucket/m cannot be read: {remedy}\n"


def test_an_unknown_scheme_is_an_error(tmp_path: Path) -> None:
    done = validate("gopher2://host/m")
    assert done.returncode == 2
    assert "gopher2" in done.stderr and done.stderr.count("\n") == 1


def test_redirects_to_files_are_refused(server: Server, tmp_path: Path) -> None:
    shutil.copy(DATA / GOOD / "saved_model.pb", tmp_path)

    def sends_away(handler, content: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", (tmp_path / "saved_model.pb").as_uri())
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.overrides[PB] = sends_away
    is_incomplete(check(server.uri(GOOD)), "redirects to something else")


def test_redirects_between_web_servers_are_followed(server: Server, tmp_path: Path) -> None:
    with serving(tmp_path) as other:
        (tmp_path / "saved_model.pb").write_bytes((DATA / GOOD / "saved_model.pb").read_bytes())

        def sends_on(handler, content: bytes) -> None:
            handler.send_response(302)
            handler.send_header("Location", other.uri("saved_model.pb"))
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        server.overrides[PB] = sends_on
        assert check(server.uri(GOOD)).verdict == "conforms"


def test_a_response_without_a_length_is_accepted(server: Server) -> None:
    def goes(handler, content: bytes) -> None:
        begin(handler)
        handler.wfile.write(content)

    server.overrides[PB] = goes
    assert check(server.uri(GOOD)).verdict == "conforms"
