"""Find the modules at or below a URI."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hubcheck.module.file_names import MODULE_FILES, is_archive_name
from hubcheck.module.limits import LimitExceeded, ReadLimits
from hubcheck.module.locate import NotAModule, find_modules
from hubcheck.module.uri import Uri
from hubcheck.remote import handles, remote_archive
from hubcheck.remote.archive_index import holds_module
from hubcheck.remote.connect import connect
from hubcheck.remote.download_module import existing_files
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.remote_folder import Listing, RemoteFolder, join
from hubcheck.remote.retry import retry_transient
from hubcheck.remote.walk import walk
from hubcheck.util.errors import Unreachable, UserError

_CONCURRENT_ARCHIVES = 8


def find_remote(uri: Uri, fetch: FetchOptions) -> list[Uri]:
    """Return the module at a URI, or all modules below it, in order, as far as the server lists its folders.

    Archives below it are included if they hold a module, or cannot be read; an archive at the URI always is. Where the
    server fails for now, the URI itself is returned, so that its report has the reason.

    Raises:
        NotAModule: there is nothing, or no module.
        Unreachable: the server refuses.
        UserError: the driver of the server is not installed.
    """
    try:
        if (client := handles.client_for(uri)) is not None:
            handles.check_handle(uri, client)
            return [uri]
        if uri.scheme == "file":
            return _find_local(uri, fetch.limits)
        if remote_archive.is_in_archive(uri):
            return remote_archive.find_in_archive(uri, fetch)
        return _find(connect(uri, fetch.limits), fetch)
    except LimitExceeded as error:
        raise UserError(f"{uri}: {error}; name the modules one by one, or raise the limit") from None
    except Unreachable as error:
        if error.retryable:
            return [uri]
        raise


def _find(remote: RemoteFolder, fetch: FetchOptions) -> list[Uri]:
    uri = remote.uri
    if remote_archive.is_archive(uri):
        if retry_transient(partial(remote.info, "")) is None:
            raise NotAModule(f"{uri}: no such file")
        return [uri]
    if uri.name in MODULE_FILES and retry_transient(partial(remote.info, "")) is not None:
        raise NotAModule(f"{uri}: a file of a module; name its folder instead")
    refusal = None
    try:
        if existing_files(remote, MODULE_FILES):
            return [uri]
    except Unreachable as error:
        if error.retryable:
            raise
        refusal = error
    if modules := sorted(_below(remote, fetch)):
        return modules
    raise refusal or NotAModule(
        f"{uri}: no module here, and no list of modules; a module is a folder with saved_model.pb, or an archive of one"
    )


def _below(remote: RemoteFolder, fetch: FetchOptions) -> list[Uri]:
    modules, archives = [], []
    for folder, listing in walk(remote, fetch.limits, lambda listing: not _is_module(listing)):
        if _is_module(listing):
            modules.append(folder)
        else:
            archives += [join(folder, name) for name in listing.files if is_archive_name(name)]
    if archives:
        with ThreadPoolExecutor(_CONCURRENT_ARCHIVES) as threads:
            answers = threads.map(lambda name: holds_module(remote, name, fetch), archives)
            modules += [name for name, is_module in zip(archives, answers, strict=True) if is_module]
    return [Uri(remote.uri_of(name)) for name in modules]


def _is_module(listing: Listing) -> bool:
    return any(name in listing.files for name in MODULE_FILES)


def _find_local(uri: Uri, limits: ReadLimits) -> list[Uri]:
    root = remote_archive.local_path(uri)
    modules = find_modules(root, limits)
    return [uri] if modules == [root] else [Uri(module.absolute().as_uri()) for module in modules]
