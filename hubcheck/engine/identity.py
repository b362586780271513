"""What a module and a finding are called across runs, machines and checkouts."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hubcheck.engine.findings import Finding
from hubcheck.engine.reports import ModuleReport
from hubcheck.module.uri import Uri, place

_COUNTERS = re.compile(r"_?\d+")


def home(start: Path | None = None) -> Path:
    """The folder that paths in reports are relative to: the git checkout around `start`, else `start` itself."""
    begin = Path(start or Path.cwd()).absolute()
    return next((folder for folder in (begin, *begin.parents) if (folder / ".git").exists()), begin)


def module_key(path: str | os.PathLike[str], base: str | os.PathLike[str]) -> str:
    """The module's path below `base`, with slashes; of a module elsewhere only its name, which travels; its URI."""
    where = place(path)
    if isinstance(where, Uri):
        return where.public
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(base))  # noqa: PTH100
    return Path(path).absolute().name if relative.startswith("..") else Path(relative).as_posix()


def fingerprints(module: ModuleReport, base: str | os.PathLike[str]) -> dict[Finding, str]:
    """A name for each finding of a module, suppressed ones included: the same wherever the checkout lies.

    It is made of the module's path, the rule and the place, so that another export of the same model keeps it;
    the numbers with which TensorFlow tells nodes and functions apart do not count. Findings that have all of that
    in common are numbered.
    """
    import hashlib

    key = module_key(module.path, base)
    named: dict[Finding, str] = {}
    seen: dict[str, int] = {}
    everything = [*module.findings, *(suppressed.finding for suppressed in module.suppressed)]
    for finding in sorted(everything, key=lambda f: (f.rule, str(f.where), f.found, f.message)):
        where, node = finding.where, finding.where.node
        place = (where.variant, where.trace, where.signature, where.side, where.key)
        graph = (_COUNTERS.sub("", node.name), node.op, _COUNTERS.sub("", node.function or "")) if node else ()
        name = "\n".join([key, finding.rule, *(part or "" for part in (*place, *graph))])
        seen[name] = seen.get(name, 0) + 1
        named[finding] = hashlib.sha256(f"{name}\n{seen[name]}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return named
