"""Checks by a Dask cluster: `--cluster tcp://host:port`, or `--cluster local` for one of this machine's cores.

Every thread of a Dask worker has a helper process of its own, as on one machine. A module that kills what checks it
kills that process only; a worker that dies (of what else happens on its machine) loses nothing either, since Dask
gives its modules to another.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubcheck._version import __version__
from hubcheck.module.uri import ModuleSource
from hubcheck.run.order import in_order
from hubcheck.run.report_codec import report_from
from hubcheck.run.worker_processes import Helpers, WorkerDied
from hubcheck.util.errors import ModuleUnavailable, UserError

try:
    import distributed
except ImportError:
    raise UserError("--cluster needs Dask: pip install 'hubcheck[dask]'") from None

if TYPE_CHECKING:
    from hubcheck.engine.reports import ModuleReport
    from hubcheck.run.options import Options

LOCAL = "local"
_AHEAD = 8
"""Reports that may wait for an earlier one, for each thread of the cluster."""
_PATIENCE = 60.0
"""Seconds without any worker until the cluster is given up."""


class Cluster:
    """A cluster that is ready to check modules.

    Args:
        client: connected to the scheduler.
        address: what the user calls it.
        options: what to check, and how.
    """

    def __init__(self, client: distributed.Client, address: str, options: Options) -> None:
        self._client = client
        self._address = address
        self._name = f"hubcheck-{uuid.uuid4().hex}"
        self._options = options
        self._gone = False
        found = _asked(client, _environment, address)
        strange = {worker: version for worker, (version, _) in found.items() if version != __version__}
        for worker, version in strange.items():
            raise UserError(f"the Dask worker at {worker} has hubcheck {version}, this is {__version__}")
        self.environment = sorted({line for _, lines in found.values() for line in lines})
        """TensorFlow's releases on the workers, for the cache."""

    def reports(self, paths: Iterable[ModuleSource]) -> Iterator[ModuleReport | tuple[ModuleSource, Exception]]:
        """The modules' reports in their order; the path and the reason where there is none."""
        client = self._client
        client.register_plugin(_Plugin(self._options, Path.cwd()), name=self._name)
        try:
            started = ((path, self._submitted(str(number), path)) for number, path in enumerate(paths))
            threads = sum(client.nthreads().values())
            for path, future in in_order(started, ahead=_AHEAD * max(threads, 1)):
                yield self._result(path, future)
        finally:
            with suppress(OSError, TimeoutError, CancelledError):
                if not self._gone:
                    client.unregister_worker_plugin(self._name)

    def _submitted(self, key: str, path: ModuleSource) -> Any | None:
        """The future of a module's report; None if the scheduler is gone."""
        if self._gone:
            return None
        try:
            return self._client.submit(_check, self._name, str(path), key=f"{self._name}-{key}", pure=False)
        except distributed.client.ClosedClientError:
            return None

    def _result(
        self, path: ModuleSource, future: Any, *, again: bool = False
    ) -> ModuleReport | tuple[ModuleSource, Exception]:
        try:
            return report_from(self._awaited(future))
        except distributed.KilledWorker as error:
            # Dask blames all that waited for a worker which died. Alone, a module shows whether it is the reason.
            if not again:
                return self._result(path, self._submitted(f"{future.key}-again", path), again=True)
            return path, WorkerDied(f"{error.allowed_failures + 1} Dask workers died while they checked it, twice")
        except (CancelledError, distributed.comm.CommClosedError):
            self._gone = True
            return path, ModuleUnavailable(f"not checked: the Dask scheduler at {self._address} is gone")
        except Exception as error:
            return path, error
        finally:
            if future is not None:
                future.release()

    def _awaited(self, future: Any | None) -> bytes:
        if future is None or (self._gone and not future.done()):
            raise CancelledError
        last = time.monotonic()
        while True:
            with suppress(TimeoutError):
                result: bytes = future.result(timeout=2)
                return result
            if self._client.status != "running":
                raise CancelledError
            if self._client.scheduler_info().get("workers"):
                last = time.monotonic()
            elif time.monotonic() - last > _PATIENCE:
                raise ModuleUnavailable(f"not checked: the Dask cluster at {self._address} has no workers any more")


@contextmanager
def connected(options: Options) -> Iterator[Cluster]:
    """The cluster that the options name.

    Raises:
        UserError: it cannot be reached, or has no workers, or other ones than this hubcheck can use.
    """
    assert options.cluster is not None
    if options.cluster == LOCAL:
        with _local(options.jobs or len(os.sched_getaffinity(0))) as address, _client(address, LOCAL) as client:
            yield Cluster(client, LOCAL, options)
        return
    with _client(options.cluster, options.cluster) as client:
        yield Cluster(client, options.cluster, options)


@contextmanager
def _client(address: str, name: str) -> Iterator[distributed.Client]:
    # What goes on in the cluster is told by the reports, not by logs between them.
    for logger in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False, name="hubcheck")
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"--cluster: no Dask scheduler answers at {name}: {reason}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise UserError(f"--cluster: the Dask scheduler at {name} has no workers") from None
        yield client


@contextmanager
def _local(workers: int) -> Iterator[str]:
    """A scheduler in this process, and so many workers in processes of their own.

    `LocalCluster` would start them by importing the caller's `__main__` again: a script that publishes and then
    validates would publish once more.
    """
    quiet = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
    with (
        distributed.LocalCluster(n_workers=0, silence_logs=logging.CRITICAL, **quiet) as cluster,
        tempfile.TemporaryDirectory(prefix="hubcheck-dask-", ignore_cleanup_errors=True) as folder,
    ):
        address: str = cluster.scheduler_address
        command = [sys.executable, "-m", "dask", "worker", address, "--nworkers", str(workers), "--nthreads", "1"]
        command += ["--no-dashboard", "--death-timeout", "60", "--memory-limit", "0", "--local-directory", folder]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "DASK_LOGGING__DISTRIBUTED": "critical",
        }
        # In a session of their own, so that Ctrl-C reaches this process alone, which then ends them.
        crew = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield address
        finally:
            crew.terminate()
            with suppress(subprocess.TimeoutExpired):
                crew.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(crew.pid, 9)
            crew.wait()


class _Plugin(distributed.WorkerPlugin):  # type: ignore[misc]
    """The helpers of a Dask worker, for as long as the run takes."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options, self._folder = options, folder
        self.helpers: Helpers | None = None

    def setup(self, worker: Any) -> None:
        """The worker has come, or come again."""
        self.helpers = Helpers(self._options, self._folder)

    def teardown(self, worker: Any) -> None:
        """The run is over, or the worker goes."""
        if self.helpers is not None:
            self.helpers.close()


def _check(name: str, path: str) -> bytes:
    """What a worker does."""
    helpers: Helpers = distributed.get_worker().plugins[name].helpers
    return helpers.check(path)


def _environment() -> tuple[str, list[str]]:
    """hubcheck's version and TensorFlow's releases where this is run."""
    from hubcheck.run.cache import tensorflow_releases

    return __version__, list(tensorflow_releases())


def _asked(client: distributed.Client, function: Any, address: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = client.run(function)
    except ImportError:
        raise UserError(f"--cluster: the Dask workers at {address} cannot import hubcheck {__version__}") from None
    return found
