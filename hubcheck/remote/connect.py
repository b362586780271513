"""A URI to the server that is asked for it."""

from __future__ import annotations

from hubcheck.module.limits import ReadLimits
from hubcheck.module.uri import Uri
from hubcheck.remote.source import Source
from hubcheck.util.errors import Unreachable, UserError

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


def connect(address: Uri, limits: ReadLimits) -> Source:
    """Return the server of a URI; most drivers do not connect before the first request.

    Raises:
        UserError: the driver for its scheme is not installed, or there is none.
        Unreachable: there is no connection.
    """
    try:
        if address.scheme in ("http", "https"):
            from hubcheck.remote.http import Http

            return Http(address, limits)
        from hubcheck.remote.storage import Storage

        return Storage(address)
    except ImportError as error:
        raise UserError(f"{address} cannot be read: {_missing(address, error)}") from None
    except ValueError as error:
        raise UserError(f"{address} cannot be read: {error}") from None
    except OSError as error:  # some drivers connect at once
        raise Unreachable(address.uri, f"no connection: {error.strerror or error}") from None


def _missing(address: Uri, error: ImportError) -> str:
    wanted = (error.name or "").partition(".")[0]
    if wanted in ("fsspec", "aiohttp", "yarl"):
        return "modules on servers need `pip install 'hubcheck[remote]'`"
    if (extra := _EXTRAS.get(address.scheme)) is not None:
        return f"{address.scheme}:// needs `pip install 'hubcheck[{extra}]'`"
    return f"its driver is not installed: {error}"
