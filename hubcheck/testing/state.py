"""What the pytest plugin keeps for the duration of a test run, and exchanges between workers of pytest-xdist."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hubcheck.config.policy import Policy
    from hubcheck.rulebook.convention import Convention
    from hubcheck.testing.session import CheckSession

_SHARED = "hubcheck_shared"
_OBSERVED = "hubcheck_observed"
_COLLECTED = "hubcheck_collected"
_STATE: pytest.StashKey[RunState] = pytest.StashKey()


class RunState:
    """The state of one process of a test run; nothing of hubcheck is imported until there is a module.

    Attributes:
        is_partial: whether some of the requested tests were not run, so that unused entries may be needed by them.
        collected: those of the requested paths in which a module was collected.
        empty_paths: the others, once all tests are collected.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session: CheckSession | None = None
        self._shared: Path | None = None
        self.is_partial = False
        self.collected = set[str]()
        self.empty_paths = list[str]()

    @property
    def policy(self) -> Policy | None:
        """Ignores, expected failures and the baseline, if there are any, and a module."""
        return self._session.policy if self._session is not None else None

    @property
    def session(self) -> CheckSession:
        """The reports of the run, made for the first module."""
        if self._session is None:
            from hubcheck.testing.session import CheckSession

            shared = getattr(self._config, "workerinput", {}).get(_SHARED)
            self._session = CheckSession(
                self._config.rootpath,
                static=self._config.getoption("--hubcheck-static"),
                fail_on=self._config.getoption("--hubcheck-fail-on"),
                convention=self._convention(),
                rules=rule_folders(self._config),
                shared=Path(shared) if shared else None,
            )
        return self._session

    def _convention(self) -> Convention | None:
        from hubcheck.rulebook.convention import CONVENTIONS

        given: Convention | None = (
            self._config.getoption("--hubcheck-convention") or self._config.getini("hubcheck_convention") or None
        )
        if given not in (None, *CONVENTIONS):
            raise pytest.UsageError(f"hubcheck_convention = {given}: must be {' or '.join(CONVENTIONS)}")
        return given

    def close(self) -> None:
        """End what runs, and remove the shared folder."""
        if self._session is not None:
            self._session.close()
        if self._shared is not None:
            shutil.rmtree(self._shared, ignore_errors=True)

    def note_empty_paths(self) -> bool:
        """Note the requested paths in which no module was collected; return whether there are any."""
        paths = set(requested(self._config)).intersection(self._config.args)
        self.empty_paths = sorted(paths - self.collected)
        return bool(self.empty_paths)

    def share(self, workerinput: dict[str, Any]) -> None:
        """Send the shared folder's path to a worker; the first worker with a module creates the folder."""
        if self._shared is None:
            self._shared = Path(tempfile.gettempdir()) / f"hubcheck-pytest-{uuid.uuid4().hex}"
        workerinput[_SHARED] = str(self._shared)

    def send(self, workeroutput: dict[str, Any]) -> None:
        """Send what this worker observed to the main process."""
        workeroutput[_COLLECTED] = sorted(self.collected)
        if self._session is not None:
            workeroutput[_OBSERVED] = (self.policy and self.policy.observed(), self.is_partial)

    def receive(self, workeroutput: dict[str, Any], error: object) -> None:
        """Take what a worker observed; of one that died, nothing is known."""
        self.collected |= set(workeroutput.get(_COLLECTED, ()))
        observed, is_partial = workeroutput.get(_OBSERVED, (None, error is not None))
        self.is_partial = self.is_partial or is_partial
        if observed is not None and self.session.policy is not None:
            self.session.policy.merge(observed)


def requested(config: pytest.Config) -> dict[str, Path]:
    """Return the paths of `--hubcheck` and of the ini file as they were given, each with the absolute path."""
    paths = (*config.getoption("--hubcheck"), *map(str, config.getini("hubcheck_paths")))
    folder = config.invocation_params.dir
    # As pytest does with its arguments: "..", but no link, is resolved.
    return {path: Path(os.path.abspath(folder / path.partition("::")[0])) for path in paths}  # noqa: PTH100


def rule_folders(config: pytest.Config) -> list[Path]:
    """Return the folders that `--hubcheck-rules` names; raise UsageError for one that does not exist."""
    folders = [config.invocation_params.dir / name for name in config.getoption("--hubcheck-rules")]
    for folder in folders:
        if not folder.is_dir():
            raise pytest.UsageError(f"--hubcheck-rules {folder}: no such folder")
    return folders


def run_state(config: pytest.Config) -> RunState:
    """Return the state of this process."""
    if _STATE not in config.stash:
        config.stash[_STATE] = RunState(config)
    return config.stash[_STATE]
