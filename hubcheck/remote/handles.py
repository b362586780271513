"""Handles of TF Hub and Kaggle: their own clients resolve them, each in a process of its own, with its own cache.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hubcheck.errors import Unreachable, UsersError
from hubcheck.module.address import Address
from hubcheck.module.limits import Limits
from hubcheck.module.scratch import private_folder

_LONGEST = 3600
"""Seconds that a client may take: it has no limit of its own that could be set."""
_KAGGLE_PAGE = re.compile(r"/models/([^/]+)/([^/]+)/([^/]+)/([^/]+)(?:/versions)?(?:/(\d+))?/?", re.IGNORECASE)
_KAGGLE_HANDLE = re.compile(r"[^/]+/[^/]+/[^/]+/[^/]+(/\d+)?")


@dataclass(frozen=True, slots=True)
class _Client:
    """Who resolves a handle: the package to install, the module to import, and where it keeps what it fetched."""

    package: str
    module: str
    cache: str
    script: str


_TFHUB = _Client("tensorflow-hub", "tensorflow_hub", "TFHUB_CACHE_DIR", "tfhub.py")
_KAGGLE = _Client("kagglehub", "kagglehub", "KAGGLEHUB_CACHE", "kaggle.py")


def is_handle(address: Address) -> bool:
    """Whether a URI is one that a client of a hub resolves."""
    return _client(address) is not None


def require(address: Address) -> None:
    """See that the client is there, and that the handle is one.

    Raises:
        UsersError: it is not.
    """
    client = _client(address)
    assert client is not None
    _handle(address, client)
    if importlib.util.find_spec(client.module) is None:
        raise UsersError(
            f"{address} is resolved by {client.package}, which is not here: `pip install {client.package}`"
        )


@contextmanager
def resolved(address: Address, limits: Limits, store: Path | None) -> Iterator[Path]:
    """The module's folder, as the client has it in its cache; without a store, in a private folder.

    Raises:
        Unreachable: the client cannot fetch it.
        UsersError: it is not installed.
    """
    require(address)
    client = _client(address)
    assert client is not None
    if store is not None:
        yield _ask(address, client, limits, {})
        return
    with private_folder() as scratch:
        yield _ask(address, client, limits, {client.cache: str(scratch)})


def _client(address: Address) -> _Client | None:
    if address.scheme == "kaggle":
        return _KAGGLE
    if address.scheme not in ("http", "https") or "::" in address.uri:
        return None
    parts = urlsplit(address.uri)
    host = (parts.hostname or "").removeprefix("www.")
    if host == "tfhub.dev":
        return _TFHUB
    return _KAGGLE if host == "kaggle.com" and parts.path.startswith("/models/") else None


def _handle(address: Address, client: _Client) -> str:
    if client is _TFHUB:
        return address.uri
    if address.scheme == "kaggle":
        handle = address.uri.partition("://")[2].rstrip("/")
        found = handle if _KAGGLE_HANDLE.fullmatch(handle) else None
    else:
        page = _KAGGLE_PAGE.fullmatch(urlsplit(address.uri).path)
        found = "/".join(part for part in page.groups() if part) if page is not None else None
    if found is None:
        raise UsersError(f"{address}: a model on Kaggle is owner/model/framework/variation, with or without /version")
    return found


def _ask(address: Address, client: _Client, limits: Limits, environment: dict[str, str]) -> Path:
    """Have a client fetch what a handle means; the folder where it is."""
    script = Path(__file__).parent / "clients" / client.script
    # Files that the client writes have a bound, too: whatever is larger fails.
    command = [sys.executable, "-P", str(script), _handle(address, client), str(limits.remote_bytes)]
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
        raise Unreachable(address.uri, f"{client.package} took more than {_LONGEST:,} seconds", again=True) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    try:
        return Path(json.loads(out.splitlines()[-1])["folder"])
    except (ValueError, LookupError, TypeError):
        said = err.decode("utf-8", "replace").strip().splitlines()
        raise Unreachable(address.uri, f"{client.package} says: {said[-1] if said else 'nothing'}") from None
