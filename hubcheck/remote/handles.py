"""Handles of TF Hub and Kaggle: their own clients resolve them, each in a process of its own, with its own cache.

The clients believe the names of files that servers tell them, so the kernel lets these processes write into that
cache only, where it can (Landlock).

Of these modules everything is fetched, weights too, for that is what the clients do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hubcheck.module.limits import ReadLimits
from hubcheck.module.locate import NotAModule, find_modules
from hubcheck.module.uri import Uri
from hubcheck.util.errors import Unreachable, UserError
from hubcheck.util.private_folder import private_folder

_LONGEST = 3600
"""Seconds that a client may take: it has no limit of its own that could be set."""
_KAGGLE_PAGE = re.compile(
    r"/models/([^/]+)/([^/]+)/(?:frameworks/)?([^/]+)/(?:variations/)?([^/]+)(?:/(?:versions/)?(\d+))?/?", re.IGNORECASE
)
_KAGGLE_HANDLE = re.compile(r"[^/]+/[^/]+/[^/]+/[^/]+(/\d+)?")


@dataclass(frozen=True, slots=True)
class _Client:
    """Who resolves a handle: the package to install, the module to import, and where it keeps what it fetched."""

    package: str
    module: str
    cache: str
    usual: Path
    script: str

    @property
    def folder(self) -> Path:
        """The client's own cache."""
        return Path(os.environ.get(self.cache) or self.usual)


_TFHUB = _Client(
    "tensorflow-hub", "tensorflow_hub", "TFHUB_CACHE_DIR", Path(tempfile.gettempdir()) / "tfhub_modules", "tfhub"
)
_KAGGLE = _Client("kagglehub", "kagglehub", "KAGGLEHUB_CACHE", Path.home() / ".cache" / "kagglehub", "kaggle")


def is_handle(address: Uri) -> bool:
    """Whether a URI is one that a client of a hub resolves."""
    return _client(address) is not None


def require(address: Uri) -> None:
    """See that the client is there, and that the handle is one.

    Raises:
        UserError: it is not.
    """
    client = _client(address)
    assert client is not None
    _handle(address, client)
    if importlib.util.find_spec(client.module) is None:
        raise UserError(f"{address} needs {client.package}, which is not installed: `pip install {client.package}`")


@contextmanager
def resolved(address: Uri, limits: ReadLimits, store: Path | None) -> Iterator[Path]:
    """The module's folder, as the client has it in its cache; without a store, in a private folder.

    Raises:
        Unreachable: the client cannot fetch it.
        UserError: it is not installed.
    """
    require(address)
    client = _client(address)
    assert client is not None
    with private_folder() as scratch:
        cache = client.folder if store is not None else scratch / "cache"
        yield _ask(address, client, limits, cache, scratch)


def _client(address: Uri) -> _Client | None:
    if address.scheme == "kaggle":
        return _KAGGLE
    if address.scheme not in ("http", "https") or "::" in address.uri:
        return None
    parts = urlsplit(address.uri)
    host = (parts.hostname or "").removeprefix("www.")
    if host == "tfhub.dev":
        return _TFHUB
    return _KAGGLE if host == "kaggle.com" and parts.path.startswith("/models/") else None


def _handle(address: Uri, client: _Client) -> str:
    if client is _TFHUB:
        return address.uri
    if address.scheme == "kaggle":
        handle = address.uri.partition("://")[2].rstrip("/")
        found = handle if _KAGGLE_HANDLE.fullmatch(handle) else None
    else:
        page = _KAGGLE_PAGE.fullmatch(urlsplit(address.uri).path)
        found = "/".join(part for part in page.groups() if part) if page is not None else None
    if found is None:
        raise UserError(f"{address}: a model on Kaggle is owner/model/framework/variation, with or without /version")
    return found


def _module_in(address: Uri, folder: Path) -> Path:
    """The module in what was fetched: mostly that folder itself."""
    found = find_modules(folder)
    if len(found) > 1:
        names = ", ".join(str(module.relative_to(folder)) for module in found[:3])
        raise NotAModule(f"{address}: {len(found)} modules are in it, {names}; download it, and give one of them")
    return found[0]


def _ask(address: Uri, client: _Client, limits: ReadLimits, cache: Path, scratch: Path) -> Path:
    """Have a client fetch what a handle means; the folder where it is."""
    cache.mkdir(parents=True, exist_ok=True)
    temporary = scratch / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-P", "-m", f"hubcheck.remote.clients.{client.script}", _handle(address, client)]
    command += [str(limits.remote_bytes), str(cache), str(temporary)]
    environment = {client.cache: str(cache), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        raise Unreachable(
            address.uri, f"{client.package} took more than {_LONGEST:,} seconds", retryable=True
        ) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    try:
        folder = Path(json.loads(out.splitlines()[-1])["folder"])
        return _module_in(address, folder)
    except (ValueError, LookupError, TypeError) as error:
        if isinstance(error, NotAModule):
            raise
        said = err.decode("utf-8", "replace").strip().splitlines()
        raise Unreachable(address.uri, f"{client.package} says: {said[-1] if said else 'nothing'}") from None
