"""A URI to the modules at or below it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from hubcheck.module.file_names import MODULE_FILES, is_archive_name
from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.locate import NotAModule, find_modules
from hubcheck.module.uri import Uri
from hubcheck.remote import handles
from hubcheck.remote import remote_archive as packed
from hubcheck.remote.archive_index import holds_module
from hubcheck.remote.connect import connect
from hubcheck.remote.layout import known_files
from hubcheck.remote.retry import retry_transient
from hubcheck.remote.source import Listing, Source, joined
from hubcheck.remote.walk import folders
from hubcheck.util.errors import Unreachable, UserError

_AT_A_TIME = 8


def find(address: Uri, limits: ReadLimits, store: Path | None) -> list[Uri]:
    """The module at a URI, or all below it, in order; what a server does not list has to be named.

    An archive below it is one of them if it holds a module, or cannot be looked into; one at the URI always is. Where
    a server fails for now, the URI stands for itself, so that the reason becomes part of its report.

    Raises:
        NotAModule: there is nothing, or no module.
        Unreachable: the server will not give it.
        UserError: what speaks with the server is not installed.
    """
    try:
        if handles.is_handle(address):
            handles.require(address)
            return [address]
        if address.scheme == "file":
            return _files(address, limits)
        if packed.is_packed(address):
            return packed.find(address, limits, store)
        return _find(connect(address, limits), limits, store)
    except LimitExceeded as error:
        raise UserError(f"{address}: {error}; give the modules one by one, or raise it") from None
    except Unreachable as error:
        if error.retryable:
            return [address]
        raise


def _find(source: Source, limits: ReadLimits, store: Path | None) -> list[Uri]:
    address = source.address
    if is_archive_name(address.name):
        if retry_transient(partial(source.info, "")) is None:
            raise NotAModule(f"{address}: no such file")
        return [address]
    if address.name in MODULE_FILES and retry_transient(partial(source.info, "")) is not None:
        raise NotAModule(f"{address}: give the folder that it is in")
    denied = None
    try:
        if known_files(source, MODULE_FILES):
            return [address]
    except Unreachable as error:
        if error.retryable:
            raise
        denied = error
    found = sorted(_below(source, limits, store))
    if found:
        return found
    if denied is not None:
        raise denied
    raise NotAModule(
        f"{address}: no module here, nor a list of modules; one is a folder with saved_model.pb in it, or an archive"
    )


def _below(source: Source, limits: ReadLimits, store: Path | None) -> list[Uri]:
    found, archives = [], []
    for folder, listing in folders(source, limits, lambda listing: not _is_module(listing)):
        if _is_module(listing):
            found.append(folder)
        else:
            archives += [joined(folder, [name]) for name in listing.files if is_archive_name(name)]
    if archives:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            held = pool.map(lambda name: holds_module(source, name, limits, store), archives)
            found += [name for name, is_module in zip(archives, held, strict=True) if is_module]
    return [Uri(source.uri_of(name)) for name in found]


def _is_module(listing: Listing) -> bool:
    return any(name in listing.files for name in MODULE_FILES)


def _files(address: Uri, limits: ReadLimits) -> list[Uri]:
    root = packed.local(address)
    found = find_modules(root, limits)
    if found == [root]:
        return [address]
    return [Uri(module.absolute().as_uri()) for module in found]
