"""The folder `variables/`: its checkpoint, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from hubcheck.module.checkpoint import OBJECT_GRAPH_KEY, CheckpointError, read_index, read_object_graph, shard_name
from hubcheck.module.limits import LimitExceeded, ReadLimits, read_file
from hubcheck.module.links import LeavesModule, is_below
from hubcheck.module.module_files import ModuleFiles
from hubcheck.module.tensors import Checkpoint
from hubcheck.module.types import Problem

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LFS_FIX = "Fetch the real file with `git lfs pull`, then check again."
_INDEX = "variables/variables.index"
_COPY_AGAIN = "Copy all files of the variables folder from where the module was exported."


class VariablesFolder:
    """Reads `variables/` among a module's files when needed, and adds what is wrong with it to `problems`."""

    def __init__(self, files: ModuleFiles, limits: ReadLimits, problems: list[Problem]) -> None:
        self._files, self._limits, self._problems = files, limits, problems

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint's index; None if it is missing or cannot be read."""
        if not self._files.has(_INDEX):
            return None
        try:
            file = self._files.path(_INDEX)
            if read_file(file, size=len(LFS_POINTER)) == LFS_POINTER:
                self._problems.append(Problem(f"{_INDEX} is a git-LFS pointer, not the file itself", LFS_FIX))
                return None
            checkpoint = read_index(file, self._limits)
        except LimitExceeded as error:
            self._problems.append(Problem(f"{_INDEX} cannot be read: {error}", error.fix))
        except CheckpointError as error:
            fix = "Copy the checkpoint again from where the module was exported."
            self._problems.append(Problem(f"{_INDEX} is damaged: {error}", fix))
        except LeavesModule:
            pass  # rule safety/paths says so
        except OSError as error:
            self._problems.append(Problem(f"{_INDEX} cannot be read: {error.strerror}", "Make it readable."))
        else:
            self._problems.extend(_shard_problems(self._files, checkpoint))
            return checkpoint
        return None

    @property
    def _has_refused_shards(self) -> bool:
        links = self._files.listing(self._limits).links
        return any(link.refused and is_below(link.name, "variables") for link in links)

    @cached_property
    def object_graph(self) -> Any | None:
        """The TrackableObjectGraph in the checkpoint; None if there is none, or it cannot be read."""
        if self.checkpoint is None:
            return None
        try:
            graph = read_object_graph(self.checkpoint, self._files, self._limits)
        except LimitExceeded as error:
            self._problems.append(Problem(f"variables/ cannot be read: {error}", error.fix))
            return None
        lost = graph is None and OBJECT_GRAPH_KEY in self.checkpoint.entries and not self._has_refused_shards
        if lost and not any(problem.message.startswith("variables/") for problem in self._problems):
            message = "variables/ is damaged: the object graph, which maps objects to weights, cannot be read"
            self._problems.append(Problem(message, _COPY_AGAIN))
        return graph


def _shard_problems(files: ModuleFiles, checkpoint: Checkpoint) -> Iterator[Problem]:
    needed: dict[int, int] = {}
    for entry in checkpoint.parts:
        needed[entry.shard] = max(needed.get(entry.shard, 0), entry.offset + entry.size)
    for shard, size in sorted(needed.items()):
        name = shard_name("variables", shard, checkpoint.shards)
        try:
            file = files.path(f"variables/{name}")
        except LeavesModule:
            continue
        if not file.is_file():
            yield Problem(f"variables/{name} is missing: the checkpoint's weights are in it", _COPY_AGAIN)
        elif file.stat().st_size < size:
            yield Problem(
                f"variables/{name} is too short: truncated, or a git-LFS pointer",
                _COPY_AGAIN,
                found=f"{file.stat().st_size:,} bytes",
                wanted=f"at least {size:,} bytes",
            )
