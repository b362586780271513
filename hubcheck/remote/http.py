"""Modules on web servers, through fsspec's HTTP session. Most such servers list nothing."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import socket
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import aiohttp
from fsspec.asyn import sync
from fsspec.exceptions import FSTimeoutError
from fsspec.implementations.http import HTTPFileSystem

from hubcheck._version import __version__
from hubcheck.module.limits import ReadLimits
from hubcheck.module.uri import Uri
from hubcheck.remote.retry import BUSY
from hubcheck.remote.source import Denied, Info, Listing, Sink
from hubcheck.util.errors import Unreachable

_AT_A_TIME = 8
_CHUNK = 1 << 16
_LARGEST_PAGE = 8 << 20
_MARKS = ("ETag", "Content-MD5", "Digest", "x-goog-hash", "x-goog-generation", "x-amz-version-id")
_ABSENT, _DENIED, _NO_HEAD = (404, 410), (401, 403), (400, 401, 403, 405, 501)
_PAGES = ("text/html", "application/xhtml+xml")


class Http:
    """A folder or file at an `http://` or `https://` URI. Its query stays at the end of the URIs below it.

    Redirects are followed, to HTTP and HTTPS only; proxies and .netrc are the environment's.
    """

    def __init__(self, address: Uri, limits: ReadLimits) -> None:
        self.address = address
        seconds = limits.remote_seconds
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
        # Sizes are told of what is sent, so nothing may be packed for the way.
        headers = {"User-Agent": f"hubcheck/{__version__}", "Accept-Encoding": "identity"}
        self._files = HTTPFileSystem(client_kwargs={"timeout": timeout, "trust_env": True, "headers": headers})

    def uri_of(self, name: str) -> str:
        """The URI of a file or folder below."""
        return self.address.below(name).uri

    def info(self, name: str) -> Info | None:
        """What the headers say of a file."""
        return self._sync(self._info, self.uri_of(name))  # type: ignore[no-any-return]

    def infos(self, names: Sequence[str]) -> list[Info | Unreachable | None]:
        """The same of several files, a few at a time, or why there is no answer."""
        uris = [self.uri_of(name) for name in names]
        return sync(self._files.loop, self._infos, uris)  # type: ignore[no-any-return]

    def listing(self, folder: str) -> Listing | None:
        """The links of a folder's page that lead to what lies right below it."""
        return self._sync(self._listing, self.uri_of(folder))  # type: ignore[no-any-return]

    def fetch(self, name: str, sink: Sink) -> None:
        """Write a whole file into a sink."""
        self._sync(self._fetch, self.uri_of(name), sink)

    def fetch_part(self, name: str, start: int, size: int, sink: Sink) -> None:
        """Write so many bytes of a file into a sink. A server that knows no ranges is heard to their end."""
        self._sync(self._fetch_part, self.uri_of(name), start, size, sink)

    def _sync(self, do: Any, uri: str, *arguments: Any) -> Any:
        with _failures(uri):
            return sync(self._files.loop, do, uri, *arguments)

    async def _infos(self, uris: list[str]) -> list[Info | Unreachable | None]:
        turn = asyncio.Semaphore(_AT_A_TIME)

        async def asked(uri: str) -> Info | Unreachable | None:
            try:
                async with turn:
                    with _failures(uri):
                        return await self._info(uri)
            except Unreachable as error:
                return error

        return list(await asyncio.gather(*map(asked, uris)))

    async def _info(self, uri: str) -> Info | None:
        session = await self._files.set_session()
        async with session.head(self._files.encode_url(uri), allow_redirects=True) as response:
            if response.status not in _NO_HEAD:
                return _told(response, uri)
        # Some servers, and URIs that are signed for reading, do not let one ask for the headers alone.
        first = {"Range": "bytes=0-0"}
        async with session.get(self._files.encode_url(uri), headers=first) as response:
            return _told(response, uri)

    async def _fetch(self, uri: str, sink: Sink) -> None:
        session = await self._files.set_session()
        async with session.get(self._files.encode_url(uri)) as response:
            _check(response, uri)
            async for data in response.content.iter_chunked(_CHUNK):
                sink.write(data)

    async def _fetch_part(self, uri: str, start: int, size: int, sink: Sink) -> None:
        session = await self._files.set_session()
        wanted = {"Range": f"bytes={start}-{start + size - 1}"}
        async with session.get(self._files.encode_url(uri), headers=wanted) as response:
            _check(response, uri)
            position, end = (start if response.status == 206 else 0), start + size
            async for data in response.content.iter_chunked(_CHUNK):
                sink.write(data[max(0, start - position) : max(0, end - position)])
                position += len(data)
                if position >= end:
                    return

    async def _listing(self, uri: str) -> Listing | None:
        session = await self._files.set_session()
        parts = urlsplit(uri)
        page = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/"))
        async with session.get(self._files.encode_url(page)) as response:
            if response.status in (*_ABSENT, *_NO_HEAD) or response.content_type not in _PAGES:
                return None
            _check(response, uri)
            text = bytearray()
            async for data in response.content.iter_chunked(_CHUNK):
                text += data
                if len(text) > _LARGEST_PAGE:
                    raise Unreachable(uri, f"its list of files has more than {_LARGEST_PAGE:,} bytes")
            return _links(text.decode("utf-8", "replace"), str(response.url))


def _told(response: aiohttp.ClientResponse, uri: str) -> Info | None:
    if response.status in _ABSENT:
        return None
    _check(response, uri)
    headers = response.headers
    size = response.content_length if "Content-Encoding" not in headers else None
    if response.status == 206:
        total = headers.get("Content-Range", "").rpartition("/")[2]
        size = int(total) if total.isdecimal() else None
    times = {"Last-Modified": headers["Last-Modified"]} if "Last-Modified" in headers else {}
    changed = None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        changed = parsedate_to_datetime(times["Last-Modified"]).timestamp()
    marks = {name: headers[name] for name in _MARKS if name in headers}
    ranges = response.status == 206 or headers.get("Accept-Ranges", "").lower() == "bytes"
    return Info(size, marks, times, changed, is_page=response.content_type in _PAGES, ranges=ranges)


def _check(response: aiohttp.ClientResponse, uri: str) -> None:
    status = response.status
    if status >= 400:
        wait = response.headers.get("Retry-After", "")
        cause = f"the server says {status} {response.reason or ''}".rstrip()
        denied = Denied if status in _DENIED else Unreachable
        raise denied(uri, cause, retryable=status in BUSY, wait=float(wait) if wait.isdecimal() else 0)


@contextlib.contextmanager
def _failures(uri: str) -> Iterator[None]:
    """What the library raises, as Unreachable."""
    try:
        yield
    except aiohttp.NonHttpUrlRedirectClientError:
        raise Unreachable(uri, "the server sends elsewhere than to another web server") from None
    except aiohttp.TooManyRedirects:
        raise Unreachable(uri, "the server sends in circles") from None
    except aiohttp.InvalidURL:
        raise Unreachable(uri, "it is no URI of a web server") from None
    except aiohttp.ClientSSLError as error:
        raise Unreachable(uri, f"the server's certificate cannot be trusted: {error}") from None
    except aiohttp.ClientConnectorDNSError as error:
        unknown = error.os_error.errno == socket.EAI_NONAME
        raise Unreachable(uri, f"there is no host {error.host!r} to be found", retryable=not unknown) from None
    except (aiohttp.ServerTimeoutError, TimeoutError, FSTimeoutError):
        raise Unreachable(uri, "the server does not answer", retryable=True) from None
    except aiohttp.ClientConnectorError as error:
        raise Unreachable(uri, f"no connection: {error.strerror or error}", retryable=True) from None
    except aiohttp.ClientPayloadError:
        raise Unreachable(uri, "the connection broke in the middle of it", retryable=True) from None
    except (aiohttp.ClientError, ConnectionError) as error:
        raise Unreachable(uri, f"the connection broke: {error or type(error).__name__}", retryable=True) from None


def _links(page: str, base: str) -> Listing:
    """The names right below a page that it links to: no other hosts, parents, anchors, or orders to sort by."""
    finder = _Anchors()
    finder.feed(page)
    root = urlsplit(base)
    folders: dict[str, None] = {}
    files: dict[str, Info | None] = {}
    for link in finder.links:
        try:
            found = urlsplit(urljoin(base, link))
        except ValueError:
            continue
        if (found.scheme, found.netloc) != (root.scheme, root.netloc) or found.query not in ("", root.query):
            continue
        below = found.path.removeprefix(root.path)
        name = unquote(below.removesuffix("/"))
        if found.fragment or below == found.path or not name or "/" in name or name != posixpath.normpath(name):
            continue
        if below.endswith("/"):
            folders[name] = None
        else:
            files[name] = None
    return Listing(tuple(folders), files)


class _Anchors(HTMLParser):
    """The targets of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
