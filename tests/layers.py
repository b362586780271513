"""The order of the packages: each may import those that stand below it, and no other."""

from __future__ import annotations

ORDER = (
    *("cli", "testing", "templates", "author", "hub", "run", "report", "remote", "config", "engine"),
    *("diff", "checks", "probe", "sandbox", "rulebook", "graph", "module", "util"),
)
