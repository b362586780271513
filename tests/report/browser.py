"""A page in headless Chromium, driven over the pipe of its DevTools protocol: no driver to install."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page:
    """One page. `events` are what the browser told meanwhile: console messages, exceptions, requests."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = os.fdopen(reader, "rb", buffering=0), os.fdopen(writer, "wb", buffering=0)
        self._rest = b""
        self._number = 0
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **params: Any) -> Any:
        """Send one command and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        self._writer.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, event: str) -> None:
        """Wait until the browser has told this."""
        while not any(seen.get("method") == event for seen in self.events):
            self.events.append(self._next())

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def screenshot(self, file: Path) -> None:
        """The whole page, as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def told(self, *methods: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") in methods]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = self._reader.read(1 << 16)
            assert chunk, "the browser has ended"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def page(file: Path, profile: Path, *, width: int = 1000, dark: bool = False) -> Iterator[Page]:
    """The page of a local file."""
    to_browser, writer = os.pipe()
    reader, from_browser = os.pipe()
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    arguments += [f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]

    assert CHROMIUM is not None
    # The browser expects the pipe at 3 and 4; bash moves it there, from where nothing is in the way.
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 50) for descriptor in (to_browser, from_browser)]
    move = f'exec "$0" "$@" 3<&{high[0]} 4>&{high[1]}'
    browser = subprocess.Popen(
        ["bash", "-c", move, CHROMIUM, *arguments],
        pass_fds=high,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for descriptor in (to_browser, from_browser, *high):
        os.close(descriptor)
    shown = Page(reader, writer)
    try:
        target = shown.call("Target.createTarget", url="about:blank")["targetId"]
        shown.session = shown.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            shown.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        shown.call("Emulation.setEmulatedMedia", features=scheme)
        mobile = width < 600
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile}
        shown.call("Emulation.setDeviceMetricsOverride", **metrics)
        shown.call("Page.navigate", url=file.as_uri())
        shown.wait_for("Page.loadEventFired")
        yield shown
    finally:
        browser.kill()
        browser.wait()
