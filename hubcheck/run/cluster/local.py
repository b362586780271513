"""A Dask cluster on this machine, for `--cluster local`, in a process of its own that ends with this one."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dask.config
import distributed

from hubcheck.util.errors import UserError
from hubcheck.util.resources import child_environment

_END_TIMEOUT = 20.0


@contextmanager
def local_cluster(count: int) -> Iterator[str]:
    """Start a scheduler and `count` workers; yield the scheduler's address.

    In this process, `LocalCluster` would start the workers by importing the caller's `__main__` again, so that a script
    that publishes and then validates would publish once more.

    Raises:
        UserError: they do not start.
    """
    # In a session of its own, so that Ctrl-C reaches this process alone, which then ends it.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hubcheck.run.cluster.local", str(count)],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = process.stdout.readline().decode().strip()
        if not address:
            raise UserError("--cluster local: Dask cannot start workers on this machine; use --jobs instead")
        yield address
    finally:
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_TIMEOUT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def run_cluster(count: int) -> None:
    """Run a cluster, print its address, and end it when standard input is closed: also by the death of the parent."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nobody reads what the workers print
    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": None, "memory_limit": 0}
    with (
        tempfile.TemporaryDirectory(prefix="hubcheck-dask-", ignore_cleanup_errors=True) as folder,
        dask.config.set({"temporary_directory": folder}),
        distributed.LocalCluster(n_workers=count, threads_per_worker=1, local_directory=folder, **quiet) as cluster,
    ):
        print(cluster.scheduler_address, file=out, flush=True)
        sys.stdin.buffer.read()


if __name__ == "__main__":
    run_cluster(int(sys.argv[1]))
