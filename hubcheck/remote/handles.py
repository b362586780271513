"""Handles of TF Hub and Kaggle: their own clients resolve them, each in its own process, with its own cache.

The clients trust the file names that servers send. So the kernel, where it can (Landlock), lets these processes write
into that cache only. The clients always download all files of a module, weights included.
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
from pathlib import Path
from urllib.parse import urlsplit

from hubcheck.module.locate import NotAModule, find_modules
from hubcheck.module.uri import Uri
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.util.errors import Unreachable, UserError
from hubcheck.util.locks import private_folder
from hubcheck.util.record import record
from hubcheck.util.resources import cache_folder, child_environment

_TIMEOUT_S = 3600
"""The clients have no limit of their own that could be set."""
_KAGGLE_PAGE = re.compile(
    r"/models/([^/]+)/([^/]+)/(?:frameworks/)?([^/]+)/(?:variations/)?([^/]+)(?:/(?:versions/)?(\d+))?/?", re.IGNORECASE
)
_KAGGLE_HANDLE = re.compile(r"[^/]+/[^/]+/[^/]+/[^/]+(/\d+)?")


@record
class Client:
    """The client of a hub.

    Args:
        package: what users install.
        module: what it is imported as.
        cache_variable: the environment variable with its cache folder.
        default_cache: its cache folder if the variable is not set.
    """

    package: str
    module: str
    cache_variable: str
    default_cache: Path


_TFHUB = Client("tensorflow-hub", "tensorflow_hub", "TFHUB_CACHE_DIR", cache_folder("tfhub"))
_KAGGLE = Client("kagglehub", "kagglehub", "KAGGLEHUB_CACHE", Path.home() / ".cache" / "kagglehub")


def client_for(uri: Uri) -> Client | None:
    """Return the client that resolves a URI; None if it is not a handle."""
    if uri.scheme == "kaggle":
        return _KAGGLE
    if uri.scheme not in ("http", "https") or "::" in uri.uri:
        return None
    parts = urlsplit(uri.uri)
    host = (parts.hostname or "").removeprefix("www.")
    if host == "tfhub.dev":
        return _TFHUB
    return _KAGGLE if host == "kaggle.com" and parts.path.startswith("/models/") else None


def checked_handle(uri: Uri, client: Client) -> str:
    """Return the handle as the client takes it.

    Raises:
        UserError: it is not valid, or the client is not installed.
    """
    handle = uri.uri
    if client is _KAGGLE and uri.scheme == "kaggle":
        handle = uri.uri.partition("://")[2].rstrip("/")
    elif client is _KAGGLE:
        page = _KAGGLE_PAGE.fullmatch(urlsplit(uri.uri).path)
        handle = "/".join(part for part in page.groups() if part) if page else ""
    if client is _KAGGLE and not _KAGGLE_HANDLE.fullmatch(handle):
        raise UserError(f"{uri}: a model on Kaggle is owner/model/framework/variation, with or without /version")
    if importlib.util.find_spec(client.module) is None:
        raise UserError(f"{uri} needs {client.package}, which is not installed: `pip install {client.package}`")
    return handle


@contextmanager
def resolved(uri: Uri, client: Client, fetch: FetchOptions) -> Iterator[Path]:
    """Yield the module's folder: in the client's cache, or in a private folder if nothing is to be cached.

    Raises:
        Unreachable: the client cannot download it.
        UserError: the client is not installed.
    """
    handle = checked_handle(uri, client)
    with private_folder() as scratch:
        (scratch / "tmp").mkdir()
        cache = scratch / "cache"
        if fetch.cache is not None:
            cache = Path(os.environ.get(client.cache_variable) or client.default_cache)
        cache.mkdir(parents=True, exist_ok=True)
        command = [client.module, handle, str(fetch.limits.remote_bytes), str(cache), str(scratch / "tmp")]
        folder = _run_client(uri, client, command, {client.cache_variable: str(cache), "TMPDIR": str(scratch / "tmp")})
        modules = find_modules(folder)
        if len(modules) > 1:
            names = ", ".join(str(module.relative_to(folder)) for module in modules[:3])
            raise NotAModule(f"{uri}: {len(modules)} modules are in it, {names}; download it, and name one of them")
        yield modules[0]


def _run_client(uri: Uri, client: Client, arguments: list[str], variables: dict[str, str]) -> Path:
    """Run the program in clients/, and return the folder that the client downloaded to."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hubcheck.remote.clients", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(**variables, PYTHONDONTWRITEBYTECODE="1"),
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        cause = f"{client.package} took more than {_TIMEOUT_S:,} seconds"
        raise Unreachable(uri.uri, cause, retryable=True) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    try:
        return Path(json.loads(out.splitlines()[-1])["folder"])
    except (ValueError, LookupError, TypeError):
        lines = err.decode("utf-8", "replace").strip().splitlines() or ["no error message"]
        raise Unreachable(uri.uri, f"{client.package} failed: {lines[-1]}") from None
