"""Opening the module at a path: a folder is read in place, an archive is unpacked for as long as its module is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.module.limits import LIMITS, LimitExceeded, ReadLimits
from hubcheck.module.links import OWN_FILES, LinkPolicy
from hubcheck.module.locate import NotAModule, find_modules, is_archive
from hubcheck.module.reader import read
from hubcheck.module.readmes import read_documents_beside
from hubcheck.module.types import Archive, Module, Problem
from hubcheck.util.errors import ModuleUnavailable, is_of_machine, unwritable

if TYPE_CHECKING:
    from hubcheck.module.archive import Unpacked

_PACK_AGAIN = "Make the archive again: `tar -czf module.tar.gz -C path/to/module .`"


@contextmanager
def open_module(
    path: Path,
    limits: ReadLimits = LIMITS,
    links: LinkPolicy | None = OWN_FILES,
    *,
    weights: bool = True,
    to_run: bool = False,
) -> Iterator[Module]:
    """Open the module at a path; `Module.folder` exists until the end of the block.

    Nothing is raised for what is in the files, see `hubcheck.module.reader.read`.

    Args:
        path: its folder or archive.
        limits: bounds on what is read.
        links: where links in a folder may lead; None: anywhere.
        weights: whether it will be run or loaded; if not, an archive is unpacked without its weights.
        to_run: whether it will be run. Then it is read from a private copy, which is also what runs.

    Raises:
        ModuleUnavailable: it was changed while it was copied, or there is no space for the copy.
    """
    with ExitStack() as stack:
        if is_archive(path):
            content = archive_content(path, limits, stack, weights=weights)
            yield content if isinstance(content, Module) else _module_inside(path, content, limits, links)
        elif to_run and path.is_dir():
            from hubcheck.module.snapshot import TEMPORARY, snapshot  # static checks read the folder itself

            try:
                files = stack.enter_context(snapshot(path, limits, links))
            except OSError as error:
                if is_of_machine(error):
                    raise unwritable(error, TEMPORARY) from None
                raise ModuleUnavailable(f"not checked: it cannot be copied: {error}") from None
            yield read(path, limits, links, files)
        else:
            yield read(path, limits, links)


def archive_content(path: Path, limits: ReadLimits, stack: ExitStack, *, weights: bool = True) -> Unpacked | Module:
    """Unpack an archive until the stack is closed; return a Module with the reason if that is impossible.

    Raises:
        ModuleUnavailable: there is no space for its content.
    """
    # Static checks of folders need nothing that reads archives.
    from hubcheck.module.archive import unpacked
    from hubcheck.module.archive_members import BadArchive
    from hubcheck.module.snapshot import TEMPORARY

    try:
        return stack.enter_context(unpacked(path, limits, weights=weights))
    except LimitExceeded as error:
        return _unreadable(path, Archive(), f"{path.name} was not unpacked: {error}", error.fix)
    except BadArchive as error:
        return _unreadable(path, Archive(), f"{path.name} cannot be read: {error}", _PACK_AGAIN)
    except OSError as error:
        if is_of_machine(error):
            raise unwritable(error, TEMPORARY) from None
        return _unreadable(path, Archive(), f"{path.name} cannot be unpacked: {error.strerror or error}", _PACK_AGAIN)


def _module_inside(path: Path, content: Unpacked, limits: ReadLimits, links: LinkPolicy | None) -> Module:
    if content.folder is None:
        return Module(path=path, format=None, file=path.name, archive=content.facts)
    try:
        roots = [found for found in find_modules(content.folder, limits) if found.is_dir()]
    except NotAModule:
        roots = []
    if not roots:
        return _unreadable(path, content.facts, f"no module is in {path.name}: it holds no saved_model.pb", _PACK_AGAIN)
    if len(roots) > 1:
        names = ", ".join(str(root.relative_to(content.folder)) for root in roots[:3])
        message = f"{len(roots)} modules are in {path.name}: {names}{', ...' if len(roots) > 3 else ''}"
        return _unreadable(path, content.facts, message, "Make an archive of each module.")
    inner = str(roots[0].relative_to(content.folder))
    facts = replace(content.facts, root="" if inner == "." else inner)
    module = read(roots[0], limits)
    documents = {**read_documents_beside(path, links), **module.documents}
    return replace(module, path=path, archive=facts, documents=documents)


def _unreadable(path: Path, facts: Archive, message: str, fix: str) -> Module:
    return Module(path=path, format=None, file=path.name, archive=facts, problems=(Problem(message, fix),))
