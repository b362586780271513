"""Fixtures of the tests of modules on servers: an empty cache, no proxy, and no waiting between tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcheck.remote import requests
from tests.paths import DATA
from tests.remote.server import Server, serving


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the download cache, empty for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "xdg" / "hubcheck" / "modules"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between tries."""
    waited: list[float] = []
    monkeypatch.setattr(requests, "sleep", waited.append)
    return waited


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the sample modules that lists no folders."""
    with serving(DATA) as running:
        yield running
