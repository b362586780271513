"""hubcheck on the oldest supported release of TensorFlow and on the newest: `make test-matrix`.

The differences between releases that the tests know of are defined here.
"""

from __future__ import annotations

from typing import Any

PARTS = (
    "tests/author",
    "tests/checks",
    "tests/graph",
    "tests/hub",
    "tests/interop",
    "tests/module",
    "tests/probe",
    "tests/report/test_path.py",
    "tests/test_fixtures.py",
    "tests/test_shared_modules.py",
)
"""What is run on every release: the tests that use TensorFlow. They are folders, so that a new file is among them."""

ELSEWHERE = {
    "tests/fuzz": "mutates modules; what it runs is run by tests/probe",
    "tests/benchmarks": "measures",
    "tests/sweep.py": "a command of its own; tests/checks has a part of it",
    "tests/test_layers.py": "asks what is imported, whatever its release",
}
"""Files that import TensorFlow and are not run on every release, each with the reason."""


def is_repeated(field: Any) -> bool:
    """Whether a message's field is a list: protobuf before 6 says so by its label, which later ones have lost."""
    told = getattr(field, "is_repeated", None)
    return field.label == field.LABEL_REPEATED if told is None else bool(told)


def cannot(keras: Any, construction: str) -> str | None:
    """Why this Keras cannot make one of tests/graph/dropout_keras.py, or None."""
    if construction == "alpha dropout" and keras.__name__ == "keras" and keras.__version__.startswith("3.0."):
        return "Keras 3.0 cannot trace AlphaDropout for a batch of any size"
    return None
