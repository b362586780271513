"""Connect to a Dask cluster."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from hubcheck.run.resolved import ResolvedOptions
from hubcheck.util.errors import UserError
from hubcheck.util.machine import cores

try:
    import distributed
except ImportError:
    raise UserError("--cluster needs Dask: pip install 'hubcheck[dask]'") from None

from hubcheck.run.cluster.cluster import Cluster
from hubcheck.run.cluster.local import local_cluster

LOCAL = "local"
_ADDRESS = re.compile(r"(?:(\w+)://)?(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s/:\[\]]+):(\d{1,5})/?|inproc://[\d.]+/\d+/\d+")
_MAX_PORT = 65_535


@contextmanager
def connected(plan: ResolvedOptions) -> Iterator[Cluster]:
    """Connect to the cluster that the options name.

    Raises:
        UserError: the address is none, or the cluster cannot be reached, or has no workers that this hubcheck can use.
    """
    name = plan.options.cluster
    assert name is not None
    if name != LOCAL:
        _check_address(name)
    here = local_cluster(plan.options.jobs or cores()) if name == LOCAL else nullcontext(name)
    with here as address, _client(address, name) as client, Cluster(client, name, plan) as cluster:
        yield cluster


def _check_address(name: str) -> None:
    parts = _ADDRESS.fullmatch(name)
    if parts is None or int(parts[2] or 0) > _MAX_PORT:
        raise UserError(f"--cluster: {name!r} is no address: give one such as tcp://host:8786, or `local`")
    scheme = name.partition("://")[0] if "://" in name else "tcp"
    try:
        distributed.comm.registry.get_backend(scheme)
    except ValueError:
        known = ", ".join(sorted(distributed.comm.registry.backends))
        raise UserError(f"--cluster: Dask has no transport {scheme!r} for {name}; it has {known}") from None


@contextmanager
def _client(address: str, name: str) -> Iterator[distributed.Client]:
    # The reports say what went wrong in the cluster; logs between them would only repeat it.
    for logger in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if address.startswith("tls://") and not distributed.Security().get_connection_args("client")["ssl_context"]:
        raise UserError(f"--cluster {name}: Dask's configuration names no certificates; set distributed.comm.tls")
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False, name="hubcheck")
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"--cluster: no Dask scheduler answers at {name}: {reason}") from None
    with client:
        yield client
