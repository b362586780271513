"""Create a project that publishes a module, from the template in `project/`."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from string import Template

from hubcheck.util.atomic import commit, staging
from hubcheck.util.errors import UserError

_TEMPLATE = Path(__file__).parent / "project"
_SUFFIX = ".template"
_NAME = re.compile(r"[A-Za-z][\w-]*")


def create(folder: Path) -> Path:
    """Write the project into a new folder, atomically.

    Raises:
        UserError: the folder exists, or its name is not a valid project name.
    """
    name = folder.name
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is not a project name: use letters, digits, '_' and '-', starting with a letter")
    if folder.exists():
        raise UserError(f"{folder} exists: give the project another name")
    architecture = "".join(part[:1].upper() + part[1:] for part in re.split("[_-]+", name))
    values = {"name": name, "architecture": architecture, "requirement": _requirement()}
    with staging(folder.absolute()) as stage:
        new = stage / name
        for source in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}")):
            target = new / source.relative_to(_TEMPLATE).with_suffix("")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(Template(source.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
        commit(new, folder.absolute())
    return folder


def _requirement() -> str:
    """Return the requirement for the hubcheck that runs here; it is not on a package index under this name."""
    hint = "hubcheck[tensorflow]  # add its origin: @ file:///path/to/a/wheel, or @ git+https://its/repository"
    try:
        text = metadata.distribution("hubcheck").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return hint
    if not text:
        return hint
    origin = json.loads(text)
    url = origin["url"]
    if vcs := origin.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return f"hubcheck[tensorflow] @ {url}"
