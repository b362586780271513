"""A URI to a Module, whose files are there for as long as it is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.locate import NotAModule
from hubcheck.module.open_module import open_module
from hubcheck.module.reader import read
from hubcheck.module.readmes import documents_beside
from hubcheck.module.safe_names import is_safe
from hubcheck.module.types import Module, Problem
from hubcheck.module.uri import Uri
from hubcheck.remote import handles
from hubcheck.remote import remote_archive as packed
from hubcheck.remote.connect import connect
from hubcheck.remote.download_session import kept
from hubcheck.remote.layout import lay_out, lay_out_documents
from hubcheck.util.errors import Unreachable


@contextmanager
def opened(address: Uri, limits: ReadLimits, *, store: Path | None, weights: bool) -> Iterator[Module]:
    """The module at a URI.

    Args:
        address: the URI, one that search.find has found.
        limits: how much of it is fetched and read, at most.
        store: the folder of what was fetched before; None: nothing is read from it, and nothing kept.
        weights: whether the module will be run, or loaded; if not, its weights are not fetched.

    Raises:
        Unreachable: the server does not give it.
        UserError: what speaks with the server is not installed.
    """
    with ExitStack() as stack:
        try:
            module = _module(address, limits, store, weights, stack)
        except LimitExceeded as error:
            problem = Problem(f"the module was not fetched: {error}", error.fix)
            module = Module(path=address, format=None, file="", problems=(problem,), limits=limits)
        except NotAModule as error:
            problem = Problem(str(error), "Publish the module's whole folder, saved_model.pb included.")
            module = Module(path=address, format=None, file="", problems=(problem,), limits=limits)
        except OSError as error:
            raise Unreachable(address.uri, f"it cannot be kept here: {error.strerror or error}") from None
        yield module


def _module(address: Uri, limits: ReadLimits, store: Path | None, weights: bool, stack: ExitStack) -> Module:
    if handles.is_handle(address):
        folder = stack.enter_context(handles.resolved(address, limits, store))
        return _moved(address, stack.enter_context(open_module(folder, limits)))
    if address.scheme == "file":
        return _moved(address, stack.enter_context(open_module(packed.local(address), limits)))
    if packed.is_packed(address):
        return stack.enter_context(packed.opened_inside(address, limits, store))
    if packed.is_archive(address):
        return stack.enter_context(packed.opened_archive(address, limits, store))
    transfer, files = stack.enter_context(kept(connect(address, limits), limits, store))
    folder = files / (address.name if is_safe(address.name) else "module")
    folder.mkdir()
    lay_out(transfer, folder, weights=weights)
    if address.parent is not None:
        beside = replace(transfer, source=connect(address.parent, limits))
        lay_out_documents(beside, files, documents_beside(folder.name))
    return _moved(address, read(folder, limits))


def _moved(address: Uri, module: Module) -> Module:
    """A module that was read from a folder, as the one that is at the URI."""
    return replace(module, path=address, unpacked=module.folder)
