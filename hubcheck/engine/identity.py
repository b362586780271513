"""Names of modules and findings that are the same in other runs, machines and checkouts."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from hubcheck.engine.findings import Finding
from hubcheck.engine.module_report import ModuleReport
from hubcheck.module.uri import Uri, parse_source

_COUNTERS = r"_?\d+"


def project_root(start: Path | None = None) -> Path:
    """Return the git checkout around `start` (the working folder), or `start` itself if there is none."""
    begin = Path(start or Path.cwd()).absolute()
    return next((folder for folder in (begin, *begin.parents) if (folder / ".git").exists()), begin)


def module_key(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> str:
    """Return a module's URI, or its path relative to `root` with slashes; its absolute path if these have nothing but
    the root of the file system in common."""
    source = parse_source(path)
    if isinstance(source, Uri):
        return source.public
    absolute, base = Path(os.path.abspath(path)), Path(os.path.abspath(root))  # noqa: PTH100 - resolves ".."
    near = absolute.is_relative_to(base) or len(Path(os.path.commonpath((absolute, base))).parts) > 1
    return (Path(os.path.relpath(absolute, base)) if near else absolute).as_posix()


def fingerprints(module: ModuleReport, key: str) -> dict[Finding, str]:
    """Return a fingerprint for each finding of a module, suppressed ones included.

    It is made of the module's key, the rule and the place of the finding, so that it stays the same when the model is
    exported again; the numbers that TensorFlow appends to names of nodes and functions are left out. Findings that
    agree in all of that are numbered.
    """
    import hashlib

    named: dict[Finding, str] = {}
    seen: Counter[str] = Counter()
    everything = [*module.findings, *(suppressed.finding for suppressed in module.suppressed)]
    for finding in sorted(everything, key=lambda f: (f.rule, str(f.where), f.found, f.message)):
        where, node = finding.where, finding.where.node
        names = (where.variant, where.trace, where.signature, where.side, where.key)
        graph = (re.sub(_COUNTERS, "", node.name), node.op, re.sub(_COUNTERS, "", node.function or "")) if node else ()
        text = "\n".join([key, finding.rule, *(name or "" for name in (*names, *graph))])
        seen[text] += 1
        named[finding] = hashlib.sha256(f"{text}\n{seen[text]}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return named
