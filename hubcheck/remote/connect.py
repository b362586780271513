"""Choose the driver for the scheme of a URI."""

from __future__ import annotations

from hubcheck.module.limits import ReadLimits
from hubcheck.module.uri import Uri
from hubcheck.remote.remote_folder import RemoteFolder
from hubcheck.util.errors import Unreachable, UserError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


def connect(uri: Uri, limits: ReadLimits) -> RemoteFolder:
    """Return the folder or file at a URI; most drivers do not connect before the first request.

    Raises:
        UserError: the driver for the scheme is not installed, or there is none.
        Unreachable: there is no connection.
    """
    try:
        if uri.scheme in ("http", "https"):
            from hubcheck.remote.http import HttpFolder

            return HttpFolder(uri, limits)
        from hubcheck.remote.storage import StorageFolder

        return StorageFolder(uri)
    except ImportError as error:
        raise UserError(f"{uri} cannot be read: {_remedy(uri, error)}") from None
    except ValueError as error:
        raise UserError(f"{uri} cannot be read: {error}") from None
    except OSError as error:  # some drivers connect at once
        raise Unreachable(uri.uri, f"no connection: {error.strerror or error}") from None


def _remedy(uri: Uri, error: ImportError) -> str:
    if (error.name or "").partition(".")[0] in ("fsspec", "aiohttp", "yarl"):
        return "modules on servers need `pip install 'hubcheck[remote]'`"
    if (extra := _EXTRAS.get(uri.scheme)) is not None:
        return f"{uri.scheme}:// needs `pip install 'hubcheck[{extra}]'`"
    return f"its driver is not installed: {error}"
