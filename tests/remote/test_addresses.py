"""Servers cannot lead hubcheck to this machine, its network or a cloud's metadata, slow it down or get credentials."""

from __future__ import annotations

import base64
import io
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import fsspec.config
import pytest

import hubcheck
from hubcheck.module.limits import LIMITS
from hubcheck.module.uri import Uri
from hubcheck.remote import download_session, http
from hubcheck.remote.addresses import AddressPolicy, AddressRefused, Zone, zone
from hubcheck.remote.storage import StorageFolder
from hubcheck.report.formats import FORMATS
from hubcheck.util.errors import Unreachable
from tests.cli.command import hubcheck as hubcheck_command
from tests.paths import DATA
from tests.remote.reports import GOOD, check
from tests.remote.server import Server, begin, serving
from tests.remote.test_failing_servers import is_incomplete

PB = f"/{GOOD}/saved_model.pb"


def redirects(target: str) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def redirected(server: Server, target: str) -> None:
    server.overrides[PB] = redirects(target)


@contextmanager
def names(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[str]]) -> Iterator[list[str]]:
    """Resolve names as in a hosts file; of several addresses, one after the other is given."""
    asked: list[str] = []
    getaddrinfo = socket.getaddrinfo

    def lookup(host: str, *arguments: object, **options: object) -> object:
        if host in table:
            asked.append(host)
            host = table[host].pop(0) if len(table[host]) > 1 else table[host][0]
        return getaddrinfo(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    yield asked


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "0.0.0.0", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_a_redirect_to_another_local_address_is_refused(server: Server, host: str) -> None:
    with serving(DATA, host="0.0.0.0") as inner:
        redirected(server, f"http://{host}:{inner.port}{PB}")
        report = check(server.uri(GOOD))
        assert report.verdict == "incomplete", report.outcomes[0]
        assert inner.seen == []


def test_a_refused_redirect_of_everything_is_an_error_that_names_the_address(server: Server) -> None:
    server.head_overrides[PB] = redirects("http://10.0.0.1/x")
    done = run("validate", "--static", server.uri(GOOD))
    assert (done.returncode, done.stdout) == (2, "")
    assert "leads to 10.0.0.1, which is in a private network; name that URI to check it" in done.stderr


def test_a_redirect_to_a_name_of_this_machine_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(DATA) as inner, names(monkeypatch, {"attacker.example": ["127.0.0.1"]}) as asked:
        redirected(server, f"http://attacker.example:{inner.port}{PB}")
        is_incomplete(check(server.uri(GOOD)), "leads to attacker.example (127.0.0.1), which is this machine")
        assert asked and inner.seen == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal", "10.0.0.1", "[::]"])
def test_a_redirect_to_metadata_and_private_addresses_is_refused_before_a_connection(server: Server, host: str) -> None:
    redirected(server, f"http://{host}/latest/meta-data/")
    is_incomplete(check(server.uri(GOOD)), "the server leads to")


def test_a_uri_that_the_user_gives_may_name_this_machine(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(server.uri(GOOD)).verdict == "conforms"
    assert check(server.uri(GOOD).replace("127.0.0.1", "localhost")).verdict == "conforms"
    with names(monkeypatch, {"hub.intranet": ["127.0.0.1"]}):
        assert check(server.uri(GOOD).replace("127.0.0.1", "hub.intranet")).verdict == "conforms"


def test_redirects_on_the_host_of_the_uri_are_followed(server: Server) -> None:
    with serving(DATA) as other:
        redirected(server, other.uri(PB[1:]))
        assert check(server.uri(GOOD)).verdict == "conforms"
        assert other.got(PB[1:])


def test_links_of_a_list_to_other_addresses_are_not_followed(tmp_path: Path) -> None:
    with serving(DATA, lists=True) as server, serving(DATA, host="127.0.0.3") as inner:
        inner_uri = f"http://127.0.0.3:{inner.port}/{GOOD}/"
        server.pages["/"] = f'<a href="{inner_uri}">m</a><a href="{GOOD}/">m</a>'
        (report,) = hubcheck.validate(server.uri(), static=True).modules
        assert report.verdict == "conforms" and inner.seen == []


def test_redirects_in_chains_of_file_systems_are_refused_as_well(server: Server, tmp_path: Path) -> None:
    with serving(DATA, host="127.0.0.2") as inner:
        folder = StorageFolder(Uri(f"simplecache::{server.uri(GOOD)}"))
        folder.download("tfhub_module.pb", io.BytesIO())
        redirected(server, inner.uri(PB[1:]))
        with pytest.raises(Unreachable, match=r"leads to 127\.0\.0\.2"):
            folder.download("saved_model.pb", io.BytesIO())
        assert inner.seen == []


def test_redirect_loops_end(server: Server) -> None:
    redirected(server, server.uri(PB[1:]))
    is_incomplete(check(server.uri(GOOD)), "too many redirects")


@pytest.mark.parametrize("target", ["gopher://127.0.0.1/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_redirects_to_other_schemes_are_refused(server: Server, target: str) -> None:
    redirected(server, target)
    report = check(server.uri(GOOD))
    assert report.verdict == "incomplete" and report.findings == ()


class TestPolicy:
    def test_zones(self) -> None:
        wanted = {
            Zone.PUBLIC: ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"],
            Zone.PRIVATE: [
                "10.1.2.3",
                "172.16.0.1",
                "192.168.1.1",
                "100.64.0.1",
                "fd12::1",
                "224.0.0.1",
                "2002:a00:1::",
            ],
            Zone.LOOPBACK: ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"],
            Zone.LINK_LOCAL: [
                "169.254.169.254",
                "169.254.1.1",
                "fe80::1",
                "fd00:ec2::254",
                "100.100.100.200",
                "168.63.129.16",
            ],
        }
        for expected, addresses in wanted.items():
            assert {address: zone(ip_address(address)) for address in addresses} == dict.fromkeys(addresses, expected)

    def test_private_servers_may_lead_to_one_another_but_not_to_this_machine(self) -> None:
        policy = AddressPolicy("hub.corp")
        policy.check_peer("hub.corp", "10.0.0.1")
        policy.check_peer("storage.corp", "10.0.0.2")
        for address in ("127.0.0.1", "169.254.169.254"):
            with pytest.raises(AddressRefused):
                policy.check_peer("storage.corp", address)

    @pytest.mark.parametrize("later", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "fe80::1%eth0"])
    def test_a_name_cannot_move_from_a_public_address_to_this_network(self, later: str) -> None:
        policy = AddressPolicy("evil.example")
        policy.check_peer("evil.example", "8.8.8.8")
        with pytest.raises(AddressRefused, match="give the address in the URI"):
            policy.check_peer("evil.example", later)

    def test_a_name_is_never_the_metadata_service_but_its_address_can_be_given(self) -> None:
        with pytest.raises(AddressRefused):
            AddressPolicy("evil.example").check_peer("evil.example", "169.254.169.254")
        AddressPolicy("169.254.169.254").check_peer("169.254.169.254", "169.254.169.254")


def dribbles_head(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send a header byte by byte, without end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(300):
            handler.wfile.write(b"x")
            time.sleep(0.1)
    except OSError:
        pass


def dribbles_body(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the content slowly."""
    begin(handler, Content_Length=str(len(content)))
    try:
        for byte in content[:300]:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.1)
    except OSError:
        pass


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_head_that_never_ends_is_not_waited_for(server: Server, method: str) -> None:
    (server.head_overrides if method == "HEAD" else server.overrides)[PB] = dribbles_head
    began = time.monotonic()
    is_incomplete(check(server.uri(GOOD), limits=replace(LIMITS, remote_seconds=1)), "does not answer")
    assert time.monotonic() - began < 20


def test_a_list_that_never_ends_is_not_waited_for() -> None:
    with serving(DATA, lists=True) as server:
        server.pages["/x/"] = "slow" * 1000
        folder = http.HttpFolder(Uri(server.uri("x")), replace(LIMITS, remote_seconds=1))
        server.slow.add("/x/")
        began = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer"):
            folder.list_folder("")
        assert time.monotonic() - began < 10


def test_a_transfer_has_a_deadline(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MAX_SECONDS", 3)
    server.overrides[PB] = dribbles_body
    began = time.monotonic()
    is_incomplete(check(server.uri(GOOD)), "takes more than 3 seconds")
    assert time.monotonic() - began < 15


def test_a_transfer_must_keep_a_rate(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_session, "_GRACE_S", 1)
    server.overrides[PB] = dribbles_body
    is_incomplete(check(server.uri(GOOD)), "less than 4,096 bytes a second")


class TestCredentials:
    BASIC = "Basic " + base64.b64encode(b"user:p%40ss".replace(b"%40", b"@")).decode()

    def test_they_are_sent_to_the_host_of_the_uri_alone(self, server: Server) -> None:
        with serving(DATA) as other:
            redirected(server, other.uri(PB[1:]))
            uri = server.uri(GOOD).replace("://", "://user:p%40ss@")
            assert check(uri).verdict == "conforms"
            assert self.BASIC in server.authorizations
            assert other.seen and other.authorizations == []

    def test_headers_of_fsspecs_configuration_are_not_sent(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(fsspec.config.conf, "http", {"headers": {"Authorization": "Bearer secret"}})
        check(server.uri(GOOD))
        assert server.authorizations == []

    @pytest.mark.parametrize("style", FORMATS)
    def test_they_are_in_no_report(self, server: Server, style: str) -> None:
        bad = server.uri("e_fixed_batch_1").replace("://", "://user:p%40ss@")
        failing = server.uri(GOOD).replace("://", "://user:p%40ss@")
        server.fails[PB] = [500] * 99
        done = run("validate", "--static", "--no-cache", "--format", style, bad, failing)
        assert done.returncode in (1, 3), done.stderr
        assert "p%40ss" not in done.stdout + done.stderr and "user:" not in done.stdout + done.stderr

    def test_they_are_in_no_error_message(self, server: Server) -> None:
        for name in ("nothing", "nothing.zip", f"{GOOD}/saved_model.pb"):
            done = run("validate", "--static", server.uri(name).replace("://", "://user:p%40ss@"))
            assert done.returncode == 2 and server.uri(name) in done.stderr
            assert "p%40ss" not in done.stderr

    def test_they_are_not_kept_in_the_cache(self, server: Server, cache: Path) -> None:
        check(server.uri(GOOD).replace("://", "://user:p%40ss@"))
        files = [file for file in cache.rglob("*") if file.is_file() and "objects" not in file.parts]
        assert files and not any(b"p%40ss" in file.read_bytes() for file in files)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return hubcheck_command(*arguments)
