"""Open the module at a URI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from hubcheck.module.limits import LimitExceeded
from hubcheck.module.locate import NotAModule
from hubcheck.module.open_module import open_module
from hubcheck.module.reader import read
from hubcheck.module.readmes import documents_beside
from hubcheck.module.safe_names import is_safe
from hubcheck.module.types import Module, Problem
from hubcheck.module.uri import Uri
from hubcheck.remote import handles, remote_archive
from hubcheck.remote.connect import connect
from hubcheck.remote.download_module import download_documents, download_module
from hubcheck.remote.download_session import download_session
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.util.errors import Unreachable


@contextmanager
def open_remote(uri: Uri, fetch: FetchOptions, *, weights: bool) -> Iterator[Module]:
    """Yield the module at a URI. Its files exist until the end of the context.

    Args:
        uri: a URI that `search.find_remote` returned.
        fetch: how it is downloaded and read.
        weights: whether it will be run or loaded; if not, its weights are not downloaded.

    Raises:
        Unreachable: the server does not deliver it.
        UserError: the driver of the server is not installed.
    """
    with ExitStack() as stack:
        try:
            module = _module(uri, fetch, weights, stack)
        except LimitExceeded as error:
            module = _unreadable(uri, fetch, f"the module was not fetched: {error}", error.fix)
        except NotAModule as error:
            module = _unreadable(uri, fetch, str(error), "Publish the module's whole folder, saved_model.pb included.")
        except OSError as error:
            raise Unreachable(uri.uri, f"its files cannot be written: {error.strerror or error}") from None
        yield module


def _module(uri: Uri, fetch: FetchOptions, weights: bool, stack: ExitStack) -> Module:
    if (client := handles.client_for(uri)) is not None:
        folder = stack.enter_context(handles.resolved(uri, client, fetch))
        module = stack.enter_context(open_module(folder, fetch.limits))
    elif uri.scheme == "file":
        module = stack.enter_context(open_module(remote_archive.local_path(uri), fetch.limits))
    elif remote_archive.is_in_archive(uri):
        return stack.enter_context(remote_archive.open_in_archive(uri, fetch))
    elif remote_archive.is_archive(uri):
        return stack.enter_context(remote_archive.open_archive(uri, fetch))
    else:
        session = stack.enter_context(download_session(connect(uri, fetch.limits), fetch))
        folder = session.folder / (uri.name if is_safe(uri.name) else "module")
        folder.mkdir()
        download_module(session, folder, weights=weights)
        if uri.parent is not None:
            beside = replace(session, remote=connect(uri.parent, fetch.limits))
            download_documents(beside, session.folder, documents_beside(folder.name))
        module = read(folder, fetch.limits)
    return replace(module, path=uri)


def _unreadable(uri: Uri, fetch: FetchOptions, message: str, fix: str) -> Module:
    return Module(path=uri, format=None, file="", problems=(Problem(message, fix),), limits=fetch.limits)
