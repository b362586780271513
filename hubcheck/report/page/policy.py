"""The content security policy of the page: no request, and no style and script but its own, by their hashes."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

TEMPLATES = Path(__file__).parents[1] / "templates"


@cache
def asset(name: str) -> str:
    """Return the style, "report.css", or the script, "report.js"."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def source_hashes() -> dict[str, str]:
    """Return the sources that a page must allow to show a report in a frame of its own.

    A document in `srcdoc` is also under the policy of the page around it, so that page names them in its policy:
    `style-src` and `script-src` each with a hash such as `'sha256-...'`, and `img-src` with `data:`. They are of this
    release: the next one may have another style and script.
    """
    return {
        "style-src": _hash(asset("report.css")),
        "script-src": _hash(asset("report.js")),
        "img-src": "data:",
    }


def content_security_policy() -> str:
    """Return the policy in the page itself."""
    sources = "; ".join(f"{kind} {source}" for kind, source in source_hashes().items())
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
