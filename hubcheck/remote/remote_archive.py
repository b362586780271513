"""Modules in archives at URIs, and folders of an archive (`zip://folder::https://host/modules.zip`).

The archive is downloaded whole and unpacked as local archives are, so that everything refused there is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hubcheck.module.file_names import is_archive_name
from hubcheck.module.locate import NotAModule, find_modules
from hubcheck.module.open_module import archive_content, open_module
from hubcheck.module.reader import read
from hubcheck.module.safe_names import is_safe
from hubcheck.module.types import Module
from hubcheck.module.uri import Uri
from hubcheck.remote.connect import connect
from hubcheck.remote.download_session import download_session
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.retry import retry_transient

_SUFFIXES = {"zip": ".zip", "tar": ".tar.gz"}
"""Schemes of folders in archives, with the suffixes of these archives."""


def is_in_archive(uri: Uri) -> bool:
    """Return whether a URI names a folder of an archive."""
    return uri.scheme in _SUFFIXES and "::" in uri.uri


def is_archive(uri: Uri) -> bool:
    """Return whether a URI names an archive."""
    return is_archive_name(uri.name)


def local_path(uri: Uri) -> Path:
    """Return the path of a `file://` URI."""
    return Path(unquote(urlsplit(uri.uri).path))


def find_in_archive(uri: Uri, fetch: FetchOptions) -> list[Uri]:
    """Return the modules below a folder of an archive, or the folder if unpacking fails, so that a report says why."""
    folder, archive = _split(uri)
    with ExitStack() as stack:
        file = stack.enter_context(_downloaded(archive, fetch, _SUFFIXES[uri.scheme]))
        content = archive_content(file, fetch.limits, stack)
        if isinstance(content, Module) or content.folder is None:
            return [uri]
        root = content.folder / folder
        try:
            modules = find_modules(root, fetch.limits)
        except NotAModule:
            raise NotAModule(f"{uri}: no module in this folder of the archive") from None
        if modules == [root]:
            return [uri]
        names = [module.relative_to(content.folder).as_posix() for module in modules]
        return [Uri(f"{uri.scheme}://{name}::{archive}") for name in names]


@contextmanager
def open_in_archive(uri: Uri, fetch: FetchOptions) -> Iterator[Module]:
    """Yield the module in a folder of an archive."""
    folder, archive = _split(uri)
    with ExitStack() as stack:
        file = stack.enter_context(_downloaded(archive, fetch, _SUFFIXES[uri.scheme]))
        content = archive_content(file, fetch.limits, stack)
        if isinstance(content, Module):
            yield replace(content, path=uri)
        elif content.folder is None:
            yield Module(path=uri, format=None, file=file.name, archive=content.facts)
        else:
            root = content.folder / folder
            yield replace(read(root, fetch.limits), path=uri)


@contextmanager
def open_archive(uri: Uri, fetch: FetchOptions) -> Iterator[Module]:
    """Yield the module in an archive."""
    with _downloaded(uri, fetch, "") as file, open_module(file, fetch.limits) as module:
        yield replace(module, path=uri)


def _split(uri: Uri) -> tuple[str, Uri]:
    """Return the folder in the archive, and the archive."""
    first, _, rest = uri.uri.partition("::")
    folder = first.partition("://")[2].strip("/")
    if folder and not is_safe(folder):
        raise NotAModule(f"{uri}: {folder} is not a valid name of a folder in an archive")
    return folder, Uri(rest if "://" in rest else Path(rest).absolute().as_uri())


@contextmanager
def _downloaded(uri: Uri, fetch: FetchOptions, suffix: str) -> Iterator[Path]:
    """Yield the archive as a local file; `suffix` is for its name if the URI has none of an archive."""
    if uri.scheme == "file":
        if not local_path(uri).is_file():
            raise NotAModule(f"{uri}: no such file")
        yield local_path(uri)
        return
    remote = connect(uri, fetch.limits)
    with download_session(remote, fetch) as session:
        info = retry_transient(partial(remote.info, ""))
        if info is None:
            raise NotAModule(f"{uri}: no such file")
        file = session.folder / (uri.name if is_archive(uri) and is_safe(uri.name) else f"module{suffix}")
        session.download("", info, file)
        yield file
