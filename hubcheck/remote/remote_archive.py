"""Modules in a file: an archive at a URI, and folders of one (`zip://folder::https://host/modules.zip`).

It is fetched whole and unpacked by the reader of archives, so that all it refuses is refused here, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hubcheck.module.file_names import is_archive_name
from hubcheck.module.limits import ReadLimits
from hubcheck.module.locate import NotAModule, find_modules
from hubcheck.module.open_module import archive_content, open_module
from hubcheck.module.reader import read
from hubcheck.module.safe_names import is_safe
from hubcheck.module.types import Module
from hubcheck.module.uri import Uri
from hubcheck.remote.connect import connect
from hubcheck.remote.download_session import kept
from hubcheck.remote.retry import retry_transient

_SCHEMES = {"zip": ".zip", "tar": ".tar.gz"}


def is_packed(address: Uri) -> bool:
    """Whether a URI names a folder of an archive."""
    return address.scheme in _SCHEMES and "::" in address.uri


def is_archive(address: Uri) -> bool:
    """Whether a URI is that of an archive."""
    return is_archive_name(address.name)


def local(address: Uri) -> Path:
    """The path of a `file://` URI."""
    return Path(unquote(urlsplit(address.uri).path))


def find(address: Uri, limits: ReadLimits, store: Path | None) -> list[Uri]:
    """The modules below a folder of an archive; the folder itself if the archive cannot be unpacked: that is told."""
    inner, outer = _parts(address)
    with ExitStack() as stack:
        file = stack.enter_context(_fetched(outer, limits, store, _SCHEMES[address.scheme]))
        content = archive_content(file, limits, stack)
        if isinstance(content, Module) or content.folder is None:
            return [address]
        root = content.folder / inner
        try:
            found = find_modules(root, limits)
        except NotAModule:
            raise NotAModule(f"{address}: no module is there in the archive") from None
        if found == [root]:
            return [address]
        names = [module.relative_to(content.folder).as_posix() for module in found]
        return [Uri(f"{address.scheme}://{name}::{outer}") for name in names]


@contextmanager
def opened_inside(address: Uri, limits: ReadLimits, store: Path | None) -> Iterator[Module]:
    """The module in a folder of an archive."""
    inner, outer = _parts(address)
    with ExitStack() as stack:
        file = stack.enter_context(_fetched(outer, limits, store, _SCHEMES[address.scheme]))
        content = archive_content(file, limits, stack)
        if isinstance(content, Module):
            yield replace(content, path=address)
        elif content.folder is None:
            yield Module(path=address, format=None, file=file.name, archive=content.facts)
        else:
            folder = content.folder / inner
            yield replace(read(folder, limits), path=address, unpacked=folder)


@contextmanager
def opened_archive(address: Uri, limits: ReadLimits, store: Path | None) -> Iterator[Module]:
    """The module that is an archive."""
    with _fetched(address, limits, store, "") as file, open_module(file, limits) as module:
        yield replace(module, path=address)


def _parts(address: Uri) -> tuple[str, Uri]:
    first, _, rest = address.uri.partition("::")
    inner = first.partition("://")[2].strip("/")
    if inner and not is_safe(inner):
        raise NotAModule(f"{address}: {inner} is no name of a folder in an archive")
    return inner, Uri(rest if "://" in rest else Path(rest).absolute().as_uri())


@contextmanager
def _fetched(address: Uri, limits: ReadLimits, store: Path | None, suffix: str) -> Iterator[Path]:
    """The archive, as a file."""
    if address.scheme == "file":
        if not local(address).is_file():
            raise NotAModule(f"{address}: no such file")
        yield local(address)
        return
    source = connect(address, limits)
    with kept(source, limits, store) as (transfer, folder):
        info = retry_transient(partial(source.info, ""))
        if info is None:
            raise NotAModule(f"{address}: no such file")
        name = address.name if is_archive(address) and is_safe(address.name) else f"module{suffix}"
        transfer.file("", info, folder / name)
        yield folder / name
