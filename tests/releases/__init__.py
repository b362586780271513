"""hubcheck on the oldest supported release of TensorFlow and on the newest: `make test-matrix`.

The differences between releases that the tests know of are defined here.
"""

from __future__ import annotations

from typing import Any

PARTS = (
    "tests/author",
    "tests/checks",
    "tests/config/test_unchecked_runs.py",
    "tests/graph",
    "tests/hub",
    "tests/interop",
    "tests/module",
    "tests/probe",
    "tests/report/test_graph.py",
    "tests/test_fixtures.py",
    "tests/test_shared_modules.py",
)
"""The tests that use TensorFlow, run on every release. Folders, so that new files are included."""

ELSEWHERE = {
    "tests/fuzz": "mutates modules; tests/probe runs the same code",
    "tests/benchmarks": "benchmarks",
    "tests/consumers": "a separate command, in environments of its own; tests/interop covers a part of it",
    "tests/exporters": "a separate command, in environments of its own; tests/author covers a part of it",
    "tests/sweep.py": "a separate command; tests/checks covers a part of it",
    "tests/test_layers.py": "tests which modules are imported, not their release",
}
"""Files that import TensorFlow but are not run on every release, with the reason."""


def is_repeated(field: Any) -> bool:
    """Return whether a message's field is repeated: by its label before protobuf 6, which has none."""
    repeated = getattr(field, "is_repeated", None)
    return field.label == field.LABEL_REPEATED if repeated is None else bool(repeated)


def cannot(keras: Any, construction: str) -> str | None:
    """Return why this Keras cannot build a construction of tests/graph/dropout_keras.py, or None."""
    if construction == "alpha dropout" and keras.__name__ == "keras" and keras.__version__.startswith("3.0."):
        return "Keras 3.0 cannot trace AlphaDropout for a batch of any size"
    return None
