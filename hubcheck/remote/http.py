"""Modules on web servers, through fsspec's HTTP file system. Most such servers list no folders."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from html import unescape
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
import yarl
from fsspec.asyn import sync
from fsspec.exceptions import FSTimeoutError
from fsspec.implementations.http import HTTPFileSystem

from hubcheck._version import __version__
from hubcheck.module.limits import ReadLimits
from hubcheck.module.uri import Uri
from hubcheck.remote.addresses import AddressPolicy, AddressRefused
from hubcheck.remote.remote_folder import AccessDenied, FileInfo, Listing, Sink
from hubcheck.util.errors import Unreachable

_CHUNK_BYTES = 1 << 16
_MAX_PAGE_BYTES = 8 << 20
_MAX_SECONDS = 6 * 3600
"""For all requests of one module, or of one search for modules."""
_TAGS = ("ETag", "Content-MD5", "Digest", "x-goog-hash", "x-goog-generation", "x-amz-version-id")
_ABSENT, _DENIED, _NO_HEAD = (404, 410), (401, 403), (400, 401, 403, 405, 501)
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_HTML = ("text/html", "application/xhtml+xml")


class HttpFolder:
    """A folder or file at an `http://` or `https://` URI. The URIs of files below it have the same query.

    Redirects are followed to HTTP and HTTPS only, and to addresses that `AddressPolicy` allows. Credentials in the URI
    are sent to its host alone. Proxies and .netrc are taken from the environment.
    """

    concurrent_requests = 8

    def __init__(self, uri: Uri, limits: ReadLimits) -> None:
        self.uri = uri
        seconds = self._seconds = limits.remote_seconds
        self._deadline = time.monotonic() + _MAX_SECONDS
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
        # Content-Length is the size of what is sent, so files must not be compressed for the transfer.
        headers = {"User-Agent": f"hubcheck/{__version__}", "Accept-Encoding": "identity"}
        session = {"timeout": timeout, "trust_env": True, "headers": headers, "response_class": _Response}
        query = urlsplit(uri.uri).query  # fsspec's listing needs it apart from the URI of the folder
        options = {"params": query} if query else {}
        self._files = HTTPFileSystem(
            simple_links=False, client_kwargs=session, get_client=client_for(uri.uri), **options
        )
        self._files.kwargs = options  # without headers of fsspec's configuration, which would follow redirects

    def uri_of(self, name: str) -> str:
        return self.uri.below(name).uri

    def info(self, name: str) -> FileInfo | None:
        with _as_unreachable(self.uri_of(name)):
            return self._run(self._within_seconds, self._info, self.uri_of(name))  # type: ignore[no-any-return]

    def list_folder(self, folder: str) -> Listing | None:
        """Return the names directly below a folder that its HTML page links to.

        Links to other hosts, to parent folders, to anchors and to other sort orders are left out.
        """
        uri = self.uri_of(folder)
        parts = urlsplit(uri)
        base = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/", query="", fragment=""))
        with _as_unreachable(uri):
            try:
                links = self._run(self._within_seconds, self._files._ls, base, detail=False)
            except FileNotFoundError:
                return None
            except aiohttp.TooManyRedirects:
                raise
            except aiohttp.ClientResponseError as error:
                if error.status in (*_ABSENT, *_NO_HEAD):
                    return None
                raise _status_error(uri, error.status, error.message, error.headers or {}) from None
        paths = [path for link in links if (path := _path_below(base, parts.query, link))]
        folders = [path.removesuffix("/") for path in paths if path.endswith("/")]
        files = {path: None for path in paths if not path.endswith("/")}
        return Listing(tuple(folders), files) if paths else None

    def download(self, name: str, sink: Sink, part: range | None = None) -> None:
        """Write a file, or a part of it, to a sink. Without range requests, what precedes the part is skipped."""
        with _as_unreachable(self.uri_of(name)):
            self._run(self._download, self.uri_of(name), sink, part)

    def _run(self, function: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
        """Return the result of an asynchronous function, in the time that is left."""

        async def until_deadline() -> Any:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                return await function(*arguments, **options)

        try:
            return sync(self._files.loop, until_deadline)
        except TimeoutError:
            if time.monotonic() < self._deadline:
                raise
            raise Unreachable(self.uri.uri, f"its server takes more than {_MAX_SECONDS:,} seconds") from None

    async def _within_seconds(self, function: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
        """Return the result of a request for few bytes, however slowly they arrive one by one."""
        async with asyncio.timeout(self._seconds):
            return await function(*arguments, **options)

    async def _info(self, uri: str) -> FileInfo | None:
        session = await self._files.set_session()
        async with session.head(self._files.encode_url(uri), allow_redirects=True) as response:
            if response.status not in _NO_HEAD:
                return _file_info(response, uri)
        # Some servers, and URIs that are signed for reading, do not allow HEAD.
        async with session.get(self._files.encode_url(uri), headers={"Range": "bytes=0-0"}) as response:
            return _file_info(response, uri)

    async def _download(self, uri: str, sink: Sink, part: range | None) -> None:
        session = await self._files.set_session()
        headers = {} if part is None else {"Range": f"bytes={part.start}-{part.stop - 1}"}
        async with (
            asyncio.timeout(self._seconds) as head,
            session.get(self._files.encode_url(uri), headers=headers) as response,
        ):
            _check_status(response, uri)
            head.reschedule(None)
            start, end = (0, sys.maxsize) if part is None else (part.start, part.stop)
            position = start if response.status == 206 else 0
            async for data in response.content.iter_chunked(_CHUNK_BYTES):
                sink.write(data[max(0, start - position) : max(0, end - position)])
                position += len(data)
                if position >= end:
                    return


def client_for(uri: str) -> Callable[..., Awaitable[aiohttp.ClientSession]]:
    """Return what makes sessions for a URI, and those with the same host, in the form of fsspec's `get_client`."""
    return _client_for((yarl.URL(uri).raw_host or "").lower())


@cache
def _client_for(host: str) -> Callable[..., Awaitable[aiohttp.ClientSession]]:
    # fsspec shares a session between folders with equal options.
    policy = AddressPolicy(host)

    async def make_client(**options: Any) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=_Connector(policy), **options)

    return make_client


class _Connector(aiohttp.TCPConnector):
    """Connections to the addresses that a policy allows, whatever names resolve to."""

    def __init__(self, policy: AddressPolicy) -> None:
        super().__init__()
        self._policy = policy

    async def connect(self, req: aiohttp.ClientRequest, *arguments: Any, **options: Any) -> Any:
        """Return a connection for a request, which may be the target of a redirect. Nothing has been sent on it yet."""
        host = (req.url.raw_host or "").lower()
        self._policy.check_host(host)
        connection = await super().connect(req, *arguments, **options)
        if req.proxy is None and connection.transport is not None:
            try:
                self._policy.check_peer(host, connection.transport.get_extra_info("peername")[0])
            except AddressRefused:
                connection.close()
                raise
        return connection


class _Response(aiohttp.ClientResponse):
    """A response whose `text`, which only fsspec's listing of folders calls, is bounded."""

    async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
        """Return the HTML page, in a form that a regular expression can search in linear time.

        fsspec reads a page of any size, and searches it with `<(a|A)\\s+(?:[^>]*?\\s+)?(href|HREF)=...`. That takes
        cubic time for a tag with a long run of spaces, and quadratic time for tags that are not closed: here runs of
        spaces become one space, and every tag ends before the next one at the latest.
        """
        if self.content_type not in _HTML:
            return ""
        page = bytearray()
        async for data in self.content.iter_chunked(_CHUNK_BYTES):
            page += data
            if len(page) > _MAX_PAGE_BYTES:
                raise Unreachable(str(self.url), f"its list of files has more than {_MAX_PAGE_BYTES:,} bytes")
        return " ".join(page.decode("utf-8", "replace").split()).replace("<", "><")


def _path_below(base: str, query: str, link: str) -> str | None:
    """Return the name that a link of fsspec's listing has directly below the folder; "/" at its end marks a folder."""
    if not link.startswith(base):
        return None
    path, _, link_query = unescape(link.removeprefix(base)).removeprefix("./").partition("?")
    name = unquote(path.removesuffix("/"))
    if link_query not in ("", query) or "#" in path or "/" in name or name in ("", ".", ".."):
        return None
    if ":" in path:  # `mailto:`, `javascript:`: the colon of a relative link is escaped (RFC 3986, section 4.2)
        return None
    return f"{name}/" if path.endswith("/") else name


def _file_info(response: aiohttp.ClientResponse, uri: str) -> FileInfo | None:
    if response.status in _ABSENT:
        return None
    _check_status(response, uri)
    headers = response.headers
    size = response.content_length if "Content-Encoding" not in headers else None
    if response.status == 206:
        total = headers.get("Content-Range", "").rpartition("/")[2]
        size = int(total) if total.isdecimal() else None
    times = {"Last-Modified": headers["Last-Modified"]} if "Last-Modified" in headers else {}
    modified = None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        modified = parsedate_to_datetime(times["Last-Modified"]).timestamp()
    tags = {name: headers[name] for name in _TAGS if name in headers}
    has_ranges = response.status == 206 or headers.get("Accept-Ranges", "").lower() == "bytes"
    return FileInfo(size, tags, times, modified, is_html=response.content_type in _HTML, has_ranges=has_ranges)


def _check_status(response: aiohttp.ClientResponse, uri: str) -> None:
    if response.status >= 400:
        raise _status_error(uri, response.status, response.reason or "", response.headers)


def _status_error(uri: str, status: int, reason: str, headers: Mapping[str, str]) -> Unreachable:
    wait = headers.get("Retry-After", "")
    kind = AccessDenied if status in _DENIED else Unreachable
    cause = f"the server answers {status} {reason}".rstrip()
    return kind(uri, cause, retryable=status in _BUSY, wait=float(wait) if wait.isdecimal() else 0)


_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, bool], ...] = (
    (aiohttp.NonHttpUrlRedirectClientError, "the server redirects to something else than a web server", False),
    (aiohttp.TooManyRedirects, "too many redirects", False),
    (aiohttp.InvalidURL, "not a valid HTTP URL", False),
    (aiohttp.ClientSSLError, "the server's certificate cannot be verified: {}", False),
    ((aiohttp.ServerTimeoutError, TimeoutError, FSTimeoutError), "the server does not answer", True),
    (aiohttp.ClientConnectorError, "no connection: {}", True),
    (aiohttp.ClientPayloadError, "the connection broke during the download", True),
    ((aiohttp.ClientError, ConnectionError), "the connection broke: {}", True),
)
"""Errors of aiohttp and fsspec, with their causes and whether a later request may succeed. The first match counts."""


@contextlib.contextmanager
def _as_unreachable(uri: str) -> Iterator[None]:
    """Raise Unreachable for the errors of aiohttp and fsspec."""
    try:
        yield
    except AddressRefused as error:
        raise Unreachable(uri, str(error)) from None
    except aiohttp.ClientConnectorDNSError as error:
        is_unknown = error.os_error.errno == socket.EAI_NONAME
        raise Unreachable(uri, f"unknown host {error.host!r}", retryable=not is_unknown) from None
    except (aiohttp.ClientError, TimeoutError, FSTimeoutError, ConnectionError) as error:
        cause, retryable = next((cause, retryable) for kinds, cause, retryable in _CAUSES if isinstance(error, kinds))
        detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreachable(uri, cause.format(detail), retryable=retryable) from None
