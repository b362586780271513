"""A local web server that can be made to misbehave."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

Misbehaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass
class Server:
    """The files of a server and its behaviour; requests are recorded as "GET /path".

    Args:
        root: the folder with the files.
        host: the address that it listens at.
        lists: whether it lists folders.
        tags: whether it sends an ETag.
        ranges: whether it supports range requests.
        heads: whether it supports HEAD.
        overrides: paths with functions that answer GET instead of the server; `head_overrides` for HEAD.
        fails: paths with statuses to answer first, one after the other, before the path is served.
        sizes: paths with wrong sizes to declare; those in `undeclared` declare none.
        posts: paths with functions that answer POST.
        pages: paths with HTML pages; those in `slow` are sent byte by byte.
        authorizations: the credentials of the requests that had some.
    """

    root: Path
    port: int = 0
    host: str = "127.0.0.1"
    lists: bool = False
    tags: bool = True
    ranges: bool = True
    heads: bool = True
    overrides: dict[str, Misbehaviour] = field(default_factory=dict)
    head_overrides: dict[str, Misbehaviour] = field(default_factory=dict)
    fails: dict[str, list[int]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    undeclared: set[str] = field(default_factory=set)
    posts: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    authorizations: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)

    def uri(self, path: str = "") -> str:
        """Return the URI of a path."""
        return f"http://{self.host}:{self.port}/{path}"

    def got(self, path: str) -> int:
        """Return how often a path was requested."""
        return self.seen.count(f"GET /{path}")

    def fetched(self) -> list[str]:
        """Return the files of which bytes were sent, sorted."""
        return sorted(path.lstrip("/") for path, count in self.sent.items() if count)

    def forget(self) -> None:
        """Reset the records."""
        self.seen.clear()
        self.sent.clear()


@contextmanager
def serving(root: Path, **behaviour: object) -> Iterator[Server]:
    """Run a server of a folder's files."""
    server = Server(root, **behaviour)  # type: ignore[arg-type]

    class Handler(_Handler):
        config = server

    with ThreadingHTTPServer((server.host, 0), Handler) as http:
        http.daemon_threads = True
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()


class _Handler(BaseHTTPRequestHandler):
    config: Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_POST(self) -> None:
        config, path = self.config, urlsplit(self.path).path
        given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        config.seen.append(f"POST {path}")
        if path not in config.posts:
            self._status(404)
            return
        answer = config.posts[path](given)
        kind = "application/json" if answer.startswith(b"{") else "application/octet-stream"
        self._send(answer, True, {"Content-Type": kind})

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        config, path = self.config, unquote(urlsplit(self.path).path)
        config.seen.append(f"{self.command} {self.path}")
        config.authorizations += filter(None, [self.headers.get("Authorization")])
        if config.fails.get(path):
            self._status(config.fails[path].pop(0))
        elif not body and not config.heads:
            self._status(405)
        elif path in config.pages:
            self._send(config.pages[path].encode(), body, {"Content-Type": "text/html"})
        else:
            self._file(config.root / path.lstrip("/"), path, body)

    def _file(self, file: Path, path: str, body: bool) -> None:
        config = self.config
        if file.is_dir() and config.lists and path.endswith("/"):
            names = (f"{child.name}/" if child.is_dir() else child.name for child in sorted(file.iterdir()))
            links = "".join(f'<a href="{quote(name)}">{escape(name)}</a>' for name in ("../", "?C=N;O=D", *names))
            self._send(f"<html><body>{links}</body></html>".encode(), body, {"Content-Type": "text/html"})
            return
        if not file.is_file():
            self._status(404)
            return
        content = file.read_bytes()
        overrides = config.overrides if body else config.head_overrides
        if path in overrides:
            self.close_connection = True
            overrides[path](self, content)
            return
        headers = {"Content-Type": "application/octet-stream"}
        if config.tags:
            headers |= {"ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        if config.ranges:
            headers["Accept-Ranges"] = "bytes"
        if path in config.sizes:
            headers["Content-Length"] = str(config.sizes[path])
            self.close_connection = True
        wanted = self.headers.get("Range", "") if config.ranges and body else ""
        if wanted.startswith("bytes="):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last) + 1]
            headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
            config.sent[path] += len(part)
            self._send(part, body, headers, status=206)
            return
        config.sent[path] += len(content) if body else 0
        self._send(content, body, headers)

    def _status(self, status: int) -> None:
        self._send(b"", False, {"Retry-After": "0"}, status=status)

    def _send(self, content: bytes, body: bool, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        all_headers = {"Content-Length": str(len(content)), "Date": formatdate(usegmt=True), **headers}
        if unquote(urlsplit(self.path).path) in self.config.undeclared:
            del all_headers["Content-Length"]
            self.close_connection = True
        for name, value in all_headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body and urlsplit(self.path).path in self.config.slow:
            with suppress(OSError):
                while True:
                    self.wfile.write(b" ")
                    time.sleep(0.1)
        elif body:
            self.wfile.write(content)


def begin(handler: BaseHTTPRequestHandler, **headers: str) -> None:
    """Send the head of a response."""
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def sends_half(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Declare the whole size and send half."""
    begin(handler, Content_Length=str(len(content)))
    handler.wfile.write(content[: len(content) // 2])


def never_ends(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send bytes until the client closes the connection."""
    begin(handler)
    try:
        while True:
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        pass


def never_answers(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Do not answer until the client closes the connection."""
    handler.connection.recv(1)


def first(times: int, misbehaviour: Misbehaviour) -> Misbehaviour:
    """Misbehave the first few times only."""
    left = [times]

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        left[0] -= 1
        if left[0] >= 0:
            misbehaviour(handler, content)
        else:
            begin(handler, Content_Length=str(len(content)))
            handler.wfile.write(content)

    return answer
