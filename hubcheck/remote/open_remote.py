"""Open the module at a URI: in a folder or archive on a server, in a folder of an archive, or behind a hub's handle.

Archives are downloaded whole and unpacked as local ones are, so that everything refused there is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from hubcheck.module.archive import Unpacked
from hubcheck.module.file_names import is_archive_name, is_safe
from hubcheck.module.limits import LimitExceeded
from hubcheck.module.locate import NotAModule, find_modules
from hubcheck.module.open_module import archive_content, open_module
from hubcheck.module.reader import read
from hubcheck.module.readmes import documents_beside
from hubcheck.module.types import Module, Problem
from hubcheck.module.uri import Uri
from hubcheck.remote import handles
from hubcheck.remote.download_module import download_documents, download_module
from hubcheck.remote.download_session import SCRATCH, download_session
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.requests import connect, file_info
from hubcheck.util.errors import unwritable

_SUFFIXES = {"zip": ".zip", "tar": ".tar.gz"}
"""Schemes of folders in archives (`zip://folder::https://host/modules.zip`), with the suffixes of these archives."""


def is_in_archive(uri: Uri) -> bool:
    """Return whether a URI names a folder of an archive."""
    return uri.scheme in _SUFFIXES and "::" in uri.uri


@contextmanager
def open_remote(uri: Uri, fetch: FetchOptions, *, weights: bool, to_run: bool = False) -> Iterator[Module]:
    """Yield the module at a URI. Its files exist until the end of the context.

    Args:
        uri: a URI that `search.find_remote` returned.
        fetch: how it is downloaded and read.
        weights: whether it will be run or loaded; if not, its weights are not downloaded.
        to_run: whether it will run in a worker. Files of this machine are copied then; downloads are private anyway.

    Raises:
        Unreachable: the server does not deliver it.
        NotAModule: there is no module now.
        ModuleUnavailable: there is no space for it, or reading it costs too much.
        UserError: the driver of the server is not installed.
    """
    with ExitStack() as stack:
        try:
            module = _module(uri, fetch, weights, to_run, stack)
        except LimitExceeded as error:
            module = _unreadable(uri, fetch, f"the module was not fetched: {error}", error.fix)
        except NotAModule as error:
            if handles.client_for(uri) is None:
                raise  # it was there when modules were searched
            module = _unreadable(uri, fetch, str(error), "Publish the module's whole folder, saved_model.pb included.")
        except OSError as error:
            raise unwritable(error, SCRATCH) from None
        yield replace(module, path=uri)


def _module(uri: Uri, fetch: FetchOptions, weights: bool, to_run: bool, stack: ExitStack) -> Module:
    if is_in_archive(uri):
        return _in_archive(uri, fetch, stack)
    if (client := handles.client_for(uri)) is not None:
        path = stack.enter_context(handles.resolved(uri, client, fetch))
    elif (local := uri.local_path) is not None:
        path = local
    elif is_archive_name(uri.name):
        path = _downloaded(uri, fetch, "", stack)
    else:
        session = stack.enter_context(download_session(connect(uri, fetch.limits), fetch))
        folder = session.folder / (uri.name if is_safe(uri.name) else "module")
        folder.mkdir()
        download_module(session, folder, weights=weights)
        if uri.parent is not None:
            beside = replace(session, remote=connect(uri.parent, fetch.limits))
            download_documents(beside, session.folder, documents_beside(folder.name))
        fetch.before_reading(folder)
        return read(folder, fetch.limits)
    fetch.before_reading(path)
    return stack.enter_context(open_module(path, fetch.limits, fetch.links, weights=weights, to_run=to_run))


def _unreadable(uri: Uri, fetch: FetchOptions, message: str, fix: str) -> Module:
    return Module(path=uri, format=None, file="", problems=(Problem(message, fix),), limits=fetch.limits)


def find_in_archive(uri: Uri, fetch: FetchOptions) -> list[Uri]:
    """Return the modules below a folder of an archive, or the folder if unpacking fails, so that a report says why."""
    folder, archive = _split(uri)
    with ExitStack() as stack:
        content = _content(archive, fetch, _SUFFIXES[uri.scheme], stack)
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
        return [Uri(f"{uri.scheme}://{name}::{archive.uri}") for name in names]


def _in_archive(uri: Uri, fetch: FetchOptions, stack: ExitStack) -> Module:
    folder, archive = _split(uri)
    content = _content(archive, fetch, _SUFFIXES[uri.scheme], stack)
    if isinstance(content, Module):
        return content
    if content.folder is None:
        return Module(path=uri, format=None, file=archive.name, archive=content.facts)
    fetch.before_reading(content.folder / folder)
    return read(content.folder / folder, fetch.limits)


def _content(archive: Uri, fetch: FetchOptions, suffix: str, stack: ExitStack) -> Unpacked | Module:
    """Return what is in an archive that may hold several modules, see `archive_content`."""

    def unpack(files: ExitStack) -> Unpacked | Module:
        file = _downloaded(archive, fetch, suffix, files)
        fetch.before_reading(file)
        return archive_content(file, fetch.limits, files)

    content: Unpacked | Module = stack.enter_context(fetch.archives.opened(archive.uri, unpack))
    return content


def _split(uri: Uri) -> tuple[str, Uri]:
    """Return the folder in the archive, and the archive."""
    first, _, rest = uri.uri.partition("::")
    folder = first.partition("://")[2].strip("/")
    if folder and not is_safe(folder):
        raise NotAModule(f"{uri}: {folder} is not a valid name of a folder in an archive")
    return folder, Uri(rest if "://" in rest else Path(rest).absolute().as_uri())


def _downloaded(uri: Uri, fetch: FetchOptions, suffix: str, stack: ExitStack) -> Path:
    """Return an archive as a local file; `suffix` is for its name if the URI has none of an archive."""
    if (local := uri.local_path) is not None:
        if not local.is_file():
            raise NotAModule(f"{uri}: no such file")
        return local
    remote = connect(uri, fetch.limits)
    session = stack.enter_context(download_session(remote, fetch))
    info = file_info(remote, "")
    if info is None:
        raise NotAModule(f"{uri}: no such file")
    file = session.folder / (uri.name if is_archive_name(uri.name) and is_safe(uri.name) else f"module{suffix}")
    session.download("", info, file)
    return file
