"""`python -m tests.fuzz`: a long run. Number n is always the same mutation, so counts of several runs add up."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

from tests.fuzz.campaign import run
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS
from tests.publishing import exclusive, published, scripts

MEMORY = 1 << 30


def main() -> int:
    """Fuzz, print the counts, and return 1 if hubcheck crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutation")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--only", choices=sorted(TARGETS), help="one kind of file")
    parser.add_argument("--keep", type=Path, help="a folder for the modules on which hubcheck crashes")
    parser.add_argument("--corpus", type=Path, help="modules to start from, besides the kept ones")
    parser.add_argument("--publish", action="store_true", help="start from what the fixture scripts publish, too")
    given = parser.parse_args()
    corpus = [given.corpus] if given.corpus else []
    if given.publish:
        folder = Path(tempfile.gettempdir()) / "hubcheck-fuzz-corpus"
        with exclusive(folder):
            corpus += [published(script, folder) for script in scripts() if script.path.stem == "good"]
    # Beyond this, an allocation fails, which is reported as a crash.
    if not given.publish:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    chosen = seeds(*corpus)
    print(f"{len(chosen)} seeds")
    result = run(chosen, first=given.first, runs=given.runs, seconds=given.seconds, only=given.only, keep=given.keep)
    print(result)
    return 1 if result.crashes else 0


if __name__ == "__main__":
    sys.exit(main())
