"""Create a project that publishes a module, from the template in `project/`."""

from __future__ import annotations

import json
import re
import shutil
from importlib import metadata
from pathlib import Path
from string import Template

from hubcheck.util.atomic import commit, staging
from hubcheck.util.errors import UserError

_TEMPLATE = Path(__file__).parent / "project"
_SUFFIX = ".template"
_NAME = re.compile(r"[A-Za-z][\w-]*")
_URL = re.compile(r"(git|hg|svn|bzr)\+(https?|ssh|git)://\S+|https?://\S+\.(whl|tar\.gz|zip)(#\S*)?")


def create(folder: Path, origin: str) -> Path:
    """Write the project into a new folder, atomically.

    Args:
        origin: where the project installs hubcheck from: a URL that pip takes, or a wheel, which is copied into it.

    Raises:
        UserError: the folder exists, its name is not a valid one, or nobody else could install from the origin.
    """
    wheel, requirement = _requirement(origin)
    name = folder.name
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is not a project name: use letters, digits, '_' and '-', starting with a letter")
    if folder.exists():
        raise UserError(f"{folder} exists: give the project another name")
    architecture = "".join(part[:1].upper() + part[1:] for part in re.split("[_-]+", name))
    values = {"name": name, "architecture": architecture, "requirement": requirement}
    with staging(folder.absolute()) as stage:
        new = stage / name
        for source in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}")):
            target = new / source.relative_to(_TEMPLATE).with_suffix("")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(Template(source.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
        if wheel is not None:
            shutil.copyfile(wheel, new / wheel.name)
        commit(new, folder.absolute())
    return folder


def installed_origin() -> str | None:
    """Return the URL that this hubcheck was installed from; None if it is unknown or a folder of this machine."""
    try:
        origin = json.loads(metadata.distribution("hubcheck").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        return None
    url = str(origin.get("url"))
    if vcs := origin.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return url if _URL.fullmatch(url) else None


def _requirement(origin: str) -> tuple[Path | None, str]:
    """Return the wheel to copy into the project, if it is one, and the requirement for pip.

    The name alone is no requirement: on the public index it belongs to another project.
    """
    if _URL.fullmatch(origin):
        return None, f"hubcheck[tensorflow] @ {origin}"
    wheel = Path(origin)
    if re.fullmatch(r"hubcheck-[\w.+-]+\.whl", wheel.name) and wheel.is_file():
        return wheel, f"./{wheel.name}[tensorflow]"
    raise UserError(
        f"the project cannot install hubcheck from {origin!r}: give --install-from a URL that others can reach, as "
        "git+https://HOST/REPOSITORY or https://HOST/hubcheck-VERSION-py3-none-any.whl, or the file of a wheel, which "
        "is copied into the project"
    )
