"""The page of the documentation that checks modules, in Chromium."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page

from tests.report.browser import chromium

PATIENCE = 120_000
"""Milliseconds."""


class Browser:
    """The page, loaded and without a network.

    Attributes:
        page: the page.
        told: what the browser wrote to its console.
        requested: what the server was asked for since the page has loaded.
        log: the file of the browser's own log, complete once the browser is closed.
        close: closes the browser.
    """

    def __init__(self, page: Page, told: list[str], requested: list[str], log: Path, close: Callable[[], None]) -> None:
        self.page, self.told, self.requested, self.log, self.close = page, told, requested, log, close
        self._cdp: CDPSession = page.context.new_cdp_session(page)

    def drop(self, *files: Path) -> None:
        """Drop files and folders on the page, as a user does."""
        box = self.page.locator("#drop").bounding_box()
        assert box is not None
        data = {"items": [], "files": list(map(str, files)), "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": box["x"] + 9, "y": box["y"] + 9, "data": data}
            self.page.evaluate("0")  # the page has handled the event before
            self._cdp.send("Input.dispatchDragEvent", event)

    def status(self) -> str:
        """Wait until the page is idle; return what it says."""
        self.page.locator("#work[aria-busy=false]").wait_for(timeout=PATIENCE)
        return self.page.inner_text("#status")

    def checked(self, *files: Path) -> dict[str, Any]:
        """Drop files and folders; return the JSON report that the page offers."""
        self.drop(*files)
        assert self.status().startswith("Checked in")
        return self.saved()

    def saved(self) -> dict[str, Any]:
        with self.page.expect_download() as download:
            self.page.click("#save-json")
        report: dict[str, Any] = json.loads(download.value.path().read_text(encoding="utf-8"))
        return report

    def verdicts(self, *files: Path) -> list[tuple[str, str]]:
        return [(module["path"], module["verdict"]) for module in self.checked(*files)["modules"]]


@contextmanager
def opened_page(site: Path, log: Path) -> Iterator[Browser]:
    """Serve a site, load its page, and take the network away.

    Args:
        site: the folder of the site.
        log: the file for the browser's own log.
    """
    requested: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, form: str, *arguments: Any) -> None:
            requested.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server, ExitStack() as stack:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        page = stack.enter_context(chromium(f"--log-net-log={log}")).new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.server_port}/check/")
        page.get_by_text("Ready.").wait_for(timeout=PATIENCE)
        assert "/check/files/pyodide.asm.wasm.bin" in requested
        requested.clear()
        page.context.set_offline(True)
        yield Browser(page, told, requested, log, stack.close)
