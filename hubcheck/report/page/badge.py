"""A badge for a README: what it says of a module, and the Markdown to paste."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from hubcheck.engine.module_report import ModuleReport
from hubcheck.rulebook.levels import LEVELS
from hubcheck.util.text import plural

_SERVICE = "https://img.shields.io/badge/hubcheck"


class Badge(NamedTuple):
    """A badge: `text` beside "hubcheck", and the CSS class of its colour."""

    text: str
    style: str

    @property
    def markdown(self) -> str:
        """The badge as an image of shields.io."""
        colour = {"good": "brightgreen", "warn": "yellow", "bad": "red"}[self.style]
        text = self.text.replace("-", "--").replace("_", "__")
        return f"![hubcheck: {self.text}]({_SERVICE}-{quote(text)}-{colour})"


def badge(module: ModuleReport) -> Badge:
    """Return the badge of a module: "failed" only if it has errors.

    It tells how many rules count if some do not, and that it is about the files if the module was not run.
    """
    errors, warnings, _ = (sum(finding.level == level for finding in module.findings) for level in LEVELS)
    warned = [plural(warnings, "warning")] if warnings else []
    if errors and module.verdict == "violates":
        return Badge(f"failed, {plural(errors, 'error')}", "bad")
    if module.verdict == "violates":
        return Badge(", ".join(warned) or "notes", "warn")
    how = [] if any(device.ran for device in module.devices) else ["static"]
    if ignored := module.count("ignored"):
        how.append(f"{len(module.outcomes) - ignored} of {len(module.outcomes)} rules")
    word = "passed" if module.verdict == "conforms" else "incomplete"
    style = "good" if module.verdict == "conforms" and not warnings else "warn"
    return Badge(", ".join([word, *how, *warned]), style)
