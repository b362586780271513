"""`python -m tests.fuzz.guided FILE [libFuzzer options]`: mutations that are kept if they reach new code (atheris).

FILE is one of the module's files; its corpus, made from the seeds, is kept below .fuzz/ between runs.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["hubcheck"]):
    import hubcheck.checks.archives  # noqa: F401 - what rules name is imported when it is asked
    from hubcheck.module.proto import DecodeError, parse
    from tests.fuzz.checker import FuzzChecker

from tests.fuzz import tables, targets
from tests.fuzz.campaign import laid_out
from tests.fuzz.proto_mutations import Mutator
from tests.fuzz.seeds import Seed, seeds

KINDS = {
    "model": targets.MODEL,
    "text": "saved_model.pbtxt",
    "index": targets.INDEX,
    "marker": targets.MARKER,
    "keras": targets.KERAS,
    "tar": "module.tar.gz",
    "zip": "module.zip",
}


def main() -> None:
    """Fuzz one kind of file until a run fails or its options tell libFuzzer to stop."""
    if len(sys.argv) < 2 or sys.argv[1] not in KINDS:
        sys.exit(f"{__doc__}\nFILE is one of {', '.join(KINDS)}")
    kind = sys.argv[1]
    chosen = seeds()
    corpus = _corpus(kind, chosen)
    around = {name: data for name, data in chosen[0].files.items() if name != KINDS[kind] and _belongs(name, kind)}
    check, folder = FuzzChecker(), Path(".fuzz", "work", str(os.getpid()))

    def one(data: bytes) -> None:
        if not data:
            return
        with laid_out(folder, {**around, KINDS[kind]: data}) as module:
            check(module)

    options = (
        {"custom_mutator": _structural} if kind == "model" else {"custom_mutator": _sealed} if kind == "index" else {}
    )
    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[2:]], one, **options)
    atheris.Fuzz()


def _belongs(name: str, kind: str) -> bool:
    return not (kind in ("tar", "zip") or (kind == "text" and name == targets.MODEL))


def _structural(data: bytes, largest: int, seed: int) -> bytes:
    """Half of the mutations change the message, the others its bytes."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        try:
            message: Any = parse("SavedModel", data)
            Mutator(rng, message).mutate(message)
            return bytes(message.SerializeToString())[:largest]
        except DecodeError:
            pass
    return bytes(atheris.Mutate(data, largest))


def _sealed(data: bytes, largest: int, seed: int) -> bytes:
    return tables.sealed(atheris.Mutate(data, largest))


def _corpus(kind: str, chosen: list[Seed]) -> Path:
    folder = Path(".fuzz") / kind
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(chosen):
        rng = random.Random(number)
        match kind:
            case "text":
                data = targets.proto_text(rng, seed)["saved_model.pbtxt"]
            case "tar" | "zip":
                found = (targets.archive(random.Random(i), seed) for i in range(100))
                data = next(files[KINDS[kind]] for files in found if KINDS[kind] in files)
            case _:
                data = seed.files.get(KINDS[kind], b"")
        if data:
            (folder / seed.name).write_bytes(data)
    return folder


if __name__ == "__main__":
    main()
