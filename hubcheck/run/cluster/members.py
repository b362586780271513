"""The Dask workers that take part in a run: those whose code and rules are the same as here."""

from __future__ import annotations

import logging
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import distributed

from hubcheck.run.cluster import tasks
from hubcheck.run.code_digests import CodeDigests, code_digests
from hubcheck.run.options import Options

_logger = logging.getLogger("hubcheck")
_END_TIMEOUT = 10.0


class Members:
    """The Dask workers of a run. Each one that joins the cluster is asked for its code before it gets a module.

    Args:
        client: connected to the scheduler.
        options: what to check, and how.

    Attributes:
        run: the name of the run.
        present: all workers of the cluster, by address, with their numbers of threads.
        admitted: TensorFlow's releases on those that may check modules, by address.
        refused: why others may not, by address.
    """

    def __init__(self, client: distributed.Client, options: Options) -> None:
        self.run = f"hubcheck-{uuid.uuid4().hex}"
        self.present: dict[str, int] = {}
        self.admitted: dict[str, list[str]] = {}
        self.refused: dict[str, str] = {}
        self._client, self._options, self._folder = client, options, Path.cwd()
        self._code = code_digests(options.rules)
        self._asked: dict[str, Any] = {}

    @property
    def undecided(self) -> bool:
        """Whether a worker has not told its code yet."""
        return bool(self._asked)

    def update(self) -> None:
        """Ask workers that have joined for their code, and forget those that have left.

        Raises:
            OSError, TimeoutError: the scheduler does not answer.
        """
        self.present = self._client.nthreads()
        for of_workers in (self.admitted, self.refused, self._asked):
            for address in of_workers.keys() - self.present.keys():
                del of_workers[address]
        for address in self.present.keys() - self.admitted.keys() - self.refused.keys() - self._asked.keys():
            key = f"{self.run}-prepare-{uuid.uuid4().hex}"
            self._asked[address] = self._client.submit(
                tasks.prepare, self.run, self._options, self._folder, key=key, pure=False, workers=[address]
            )
        for address, answer in list(self._asked.items()):
            if answer.done():
                del self._asked[address]
                self._decide(address, answer)

    def ask_again(self, address: str) -> None:
        """Forget a worker, which was started again at the same address."""
        self.admitted.pop(address, None)

    def end(self) -> None:
        """End what the workers have started for this run."""

        def end() -> None:
            with suppress(Exception):  # a scheduler that is gone has ended it
                self._client.run(tasks.end, self.run, workers=list(self.admitted), on_error="ignore")

        # A worker that hangs must not keep the run from ending.
        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        ending.join(_END_TIMEOUT)

    def _decide(self, address: str, answer: Any) -> None:
        try:
            code, environment = answer.result(timeout=_END_TIMEOUT)
            reason = _difference(self._code, code)
        except TimeoutError:
            return  # it has left, or is asked again
        except Exception as error:
            reason = f"cannot run this hubcheck {self._code['version']}: {type(error).__name__}: {error}"
        if reason is None:
            self.admitted[address] = environment
        else:
            self.refused[address] = f"the Dask worker at {address} {reason}".partition("\n")[0]
            _logger.warning("--cluster: %s; it gets no module", self.refused[address])


def _difference(here: CodeDigests, there: CodeDigests) -> str | None:
    """Return in what the code of a worker differs; None if it does not."""
    if here["version"] != there["version"]:
        return f"has hubcheck {there['version']}, this is {here['version']}"
    different = [name for name in here if here[name] != there[name]]
    return f"has other {different[0]} of hubcheck {here['version']} than this machine" if different else None
