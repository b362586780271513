"""Checks by a Dask cluster: `--cluster tcp://host:port`, or `--cluster local` for one on this machine's cores.

Every thread of a Dask worker has a worker process of its own, so that a module that kills the process that checks it
does not end the Dask worker. If a Dask worker dies for another reason, Dask reassigns its modules.
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
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubcheck._version import __version__
from hubcheck.module.uri import ModuleSource
from hubcheck.run.checker import unchecked_report
from hubcheck.run.processes import WorkerDied, WorkerProcesses, in_order
from hubcheck.run.report_lines import report_from
from hubcheck.util.errors import ModuleUnavailable, UserError
from hubcheck.util.resources import child_environment

try:
    import distributed
except ImportError:
    raise UserError("--cluster needs Dask: pip install 'hubcheck[dask]'") from None

if TYPE_CHECKING:
    from hubcheck.engine.module_report import ModuleReport
    from hubcheck.run.options import Options
    from hubcheck.run.resolved import Keep, ResolvedOptions

LOCAL = "local"
_AHEAD = 8
"""Reports per thread of the cluster that may wait for an earlier one."""
_WORKERS_TIMEOUT = 60.0
"""Seconds without any Dask worker after which the cluster is given up."""


class Cluster:
    """A cluster that is ready to check modules.

    Args:
        client: connected to the scheduler.
        address: the address as the user gave it.
        plan: what to check, and how.

    Attributes:
        environment: TensorFlow's releases on the workers, for the cache.

    Raises:
        UserError: a worker cannot import hubcheck, or has another version of it.
    """

    def __init__(self, client: distributed.Client, address: str, plan: ResolvedOptions) -> None:
        self._client = client
        self._address = address
        self._name = f"hubcheck-{uuid.uuid4().hex}"
        self._plan = plan
        self._gone = False
        try:
            environments: dict[str, tuple[str, list[str]]] = client.run(_environment)
        except ImportError:
            raise UserError(f"--cluster: the Dask workers at {address} cannot import hubcheck {__version__}") from None
        for worker, (version, _) in environments.items():
            if version != __version__:
                raise UserError(f"the Dask worker at {worker} has hubcheck {version}, this is {__version__}")
        self.environment = sorted({line for _, lines in environments.values() for line in lines})

    def reports(self, modules: Iterable[ModuleSource], keep: Keep) -> Iterator[ModuleReport]:
        """Yield the modules' reports in their order."""
        client = self._client
        client.register_plugin(_Plugin(self._plan.options, Path.cwd()), name=self._name)
        try:
            started = ((source, self._submitted(str(number), source)) for number, source in enumerate(modules))
            threads = sum(client.nthreads().values())
            for source, future in in_order(started, ahead=_AHEAD * max(threads, 1)):
                report = self._result(source, future)
                keep(source, report)
                yield report
        finally:
            with suppress(OSError, TimeoutError, CancelledError):
                if not self._gone:
                    client.unregister_worker_plugin(self._name)

    def _submitted(self, key: str, source: ModuleSource) -> Any | None:
        """Return the future of a module's report; None if the scheduler is gone."""
        if self._gone:
            return None
        try:
            return self._client.submit(_check, self._name, os.fspath(source), key=f"{self._name}-{key}", pure=False)
        except distributed.client.ClosedClientError:
            return None

    def _result(self, source: ModuleSource, future: Any, *, retry: bool = True) -> ModuleReport:
        try:
            return report_from(self._awaited(future))
        except distributed.KilledWorker as killed:
            # Dask blames all tasks that were on a worker which died; a task that runs alone shows whether it is why.
            if retry:
                return self._result(source, self._submitted(f"{future.key}-again", source), retry=False)
            count = killed.allowed_failures + 1
            error: Exception = WorkerDied(f"{count} Dask workers died while they checked it, twice")
        except (CancelledError, distributed.comm.CommClosedError):
            self._gone = True
            error = ModuleUnavailable(f"not checked: the Dask scheduler at {self._address} is gone")
        except Exception as failure:
            error = failure
        finally:
            if future is not None:
                future.release()
        return unchecked_report(source, error, self._plan)

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
            elif time.monotonic() - last > _WORKERS_TIMEOUT:
                raise ModuleUnavailable(f"not checked: the Dask cluster at {self._address} has no workers any more")


@contextmanager
def connected(plan: ResolvedOptions) -> Iterator[Cluster]:
    """Connect to the cluster that the options name.

    Raises:
        UserError: it cannot be reached, or has no workers, or other ones than this hubcheck can use.
    """
    name = plan.options.cluster
    assert name is not None
    local = _local(plan.options.jobs or len(os.sched_getaffinity(0))) if name == LOCAL else nullcontext(name)
    with local as address, _client(address, name) as client:
        yield Cluster(client, name, plan)


@contextmanager
def _client(address: str, name: str) -> Iterator[distributed.Client]:
    # The reports say what went wrong in the cluster; logs between them would only repeat it.
    for logger in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        if address.startswith("tls://") and not distributed.Security().get_connection_args("client")["ssl_context"]:
            raise UserError(f"--cluster {name}: Dask's configuration names no certificates; set distributed.comm.tls")
        client = distributed.Client(address, timeout=10, set_as_default=False, name="hubcheck")
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"--cluster: no Dask scheduler answers at {name}: {reason}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_WORKERS_TIMEOUT)
        except TimeoutError:
            raise UserError(f"--cluster: the Dask scheduler at {name} has no workers") from None
        yield client


@contextmanager
def _local(workers: int) -> Iterator[str]:
    """Start a scheduler in this process, and `workers` processes; yield the scheduler's address.

    `LocalCluster` would start the workers by importing the caller's `__main__` again, so that a script that publishes
    and then validates would publish once more.
    """
    quiet = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
    with (
        distributed.LocalCluster(n_workers=0, silence_logs=logging.CRITICAL, **quiet) as cluster,
        tempfile.TemporaryDirectory(prefix="hubcheck-dask-", ignore_cleanup_errors=True) as folder,
    ):
        address: str = cluster.scheduler_address
        command = [sys.executable, "-m", "dask", "worker", address, "--nworkers", str(workers), "--nthreads", "1"]
        command += ["--no-dashboard", "--death-timeout", "60", "--memory-limit", "0", "--local-directory", folder]
        environment = child_environment(DASK_LOGGING__DISTRIBUTED="critical")
        # In a session of their own, so that Ctrl-C reaches this process alone, which then ends them.
        nanny = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield address
        finally:
            nanny.terminate()
            with suppress(subprocess.TimeoutExpired):
                nanny.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(nanny.pid, 9)
            nanny.wait()


class _Plugin(distributed.WorkerPlugin):  # type: ignore[misc]
    """The worker processes of a Dask worker, for the duration of a run."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options, self._folder = options, folder
        self.processes: WorkerProcesses | None = None

    def setup(self, worker: Any) -> None:
        """Start: the Dask worker has joined the cluster, or joined it again."""
        self.processes = WorkerProcesses(self._options, self._folder)

    def teardown(self, worker: Any) -> None:
        """End: the run is over, or the Dask worker leaves."""
        if self.processes is not None:
            self.processes.close()


def _check(plugin: str, path: str) -> bytes:
    """The task of a Dask worker: a module's report as a line of JSON."""
    processes: WorkerProcesses = distributed.get_worker().plugins[plugin].processes
    return processes.check(path)


def _environment() -> tuple[str, list[str]]:
    """Return hubcheck's version and TensorFlow's releases on the machine that runs this."""
    from hubcheck.run.cache import tensorflow_releases

    return __version__, list(tensorflow_releases())
