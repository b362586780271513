"""A run: checks many mutations, and keeps the modules on which hubcheck crashes."""

from __future__ import annotations

import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hubcheck.module.file_names import is_archive_name
from tests.fuzz.checker import FuzzChecker, HubcheckFailed
from tests.fuzz.seeds import Seed
from tests.fuzz.targets import TARGETS

_THOROUGH = 8
"""One in so many checks is thorough."""


@dataclass
class Result:
    """The counts of a run."""

    runs: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    crashes: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0
    seconds: float = 0.0
    peak_bytes: int = 0

    def __str__(self) -> str:
        rules = len(self.findings)
        return (
            f"{self.runs.total():,} mutations in {self.seconds:,.0f} s ({dict(self.runs)}), {rules} different rules"
            f" failed, slowest {self.slowest:.2f} s, peak memory {self.peak_bytes / 1e6:,.0f} MB,"
            f" {len(self.crashes)} crashes"
        )


def run(
    seeds: Sequence[Seed], *, first: int, runs: int, seconds: float, only: str | None = None, keep: Path | None = None
) -> Result:
    """Check `runs` mutations, numbered from `first` on, for at most `seconds`. Number n is always the same mutation."""
    check, result, begin = FuzzChecker(), Result(), time.monotonic()
    names = [only] if only else [name for name, (_, share) in TARGETS.items() for _ in range(share)]
    with tempfile.TemporaryDirectory(prefix="hubcheck-fuzz-", dir=_memory()) as folder:
        for number in range(first, first + runs):
            if time.monotonic() - begin > seconds:
                break
            rng = random.Random(number)
            name, seed = rng.choice(names), rng.choice(seeds)
            files = TARGETS[name][0](rng, seed)
            started = time.monotonic()
            with laid_out(Path(folder), {**seed.files, **files}) as module:
                try:
                    result.findings.update(check(module, thorough=number % _THOROUGH == 0))
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    if _place(error) not in result.crashes:
                        result.crashes[_place(error)] = f"number {number}, {name} of {seed.name}"
                        print(f"number {number}, {name} of {seed.name}:\n{_place(error)}\n", flush=True)
                    if keep is not None:
                        _keep(module, keep / str(number))
            result.slowest = max(result.slowest, time.monotonic() - started)
            result.runs[name] += 1
    result.seconds = time.monotonic() - begin
    result.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return result


@contextmanager
def laid_out(folder: Path, files: dict[str, bytes]) -> Iterator[Path]:
    """Write a module with these files, except empty ones. If an archive is among them, that is the module."""
    module = folder / "module"
    module.mkdir()
    for name, data in files.items():
        if data:
            (module / name).parent.mkdir(parents=True, exist_ok=True)
            (module / name).write_bytes(data)
    try:
        yield next((module / name for name in files if is_archive_name(name)), module)
    finally:
        shutil.rmtree(module)


def _keep(module: Path, folder: Path) -> None:
    shutil.copytree(module if module.is_dir() else module.parent, folder, dirs_exist_ok=True)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _place(error: BaseException) -> str:
    """Return the last lines of the traceback, which are equal for errors with one cause."""
    text = str(error) if isinstance(error, HubcheckFailed) else repr(error)
    return "\n".join(text.strip().splitlines()[-6:])[-800:]


def memory_now() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
