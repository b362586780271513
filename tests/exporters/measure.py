"""What is observed of an example: `python -m tests.exporters.measure NAME FILE` writes it to a file, as JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Read when TensorFlow is imported: the older libraries use tf.keras, and mean Keras 2.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
FORMATS = ("tf2", "tf1-hub")


def images(size: tuple[int, int]) -> np.ndarray:
    """Images in [0, 1]."""
    return np.random.default_rng(7).random((4, *size, 3), dtype=np.float32)


def measured(name: str) -> dict[str, Any]:
    """Export an example plainly and as a module, in both formats, and use the module."""
    from tests.exporters import keras_models, other_models  # noqa: F401 (they register the examples)
    from tests.exporters.example import EXAMPLES

    registered = EXAMPLES[name]
    built = registered.build()
    import hubcheck

    result: dict[str, Any] = {
        "packages": {package: metadata.version(package) for package in (*registered.packages, "tensorflow")},
        "how": built.how,
        "lines": built.lines,
        "formats": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain")
        built.plain(plain)
        (report,) = hubcheck.validate(plain, static=True, cache=False).modules
        result["verdict"] = report.verdict
        result["failed"] = sorted({finding.rule for finding in report.failures})
        try:
            result["formats"] = _used(built, plain, Path(folder, "both"), FORMATS)
        except Exception:
            # One at a time, to see which formats fail.
            for form in FORMATS:
                try:
                    result["formats"] |= _used(built, plain, Path(folder, form), (form,))
                except Exception as error:
                    traceback.print_exc()
                    result["formats"][form] = {"reason": f"{type(error).__name__}: {error}".strip()}
    return result


def _used(built: Any, plain: Path, target: Path, formats: tuple[str, ...]) -> dict[str, Any]:
    """Write modules, with all checks and probes, and return what each computes and how it trains."""
    from hubcheck import hub

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = built.module(plain)
        default = "image_feature_vector" if "image_feature_vector" in module.tasks else None
        made = module.export(target, default=default, format=formats)
    ours = [str(one.message) for one in caught if "Author" in type(one.message).__name__]
    batch = images(built.size)
    found = {}
    for form, folder in made.modules.items():
        others = [other for other in FORMATS if other != form]
        found[form] = {
            "difference": _difference(built, hub.Module(folder), batch),
            "warnings": [text for text in ours if not any(other in text for other in others)],
            **_trained(hub.Module(folder, True, tags={"train"}), batch),
        }
    return found


def _difference(built: Any, loaded: Any, batch: np.ndarray) -> float:
    import tensorflow as tf

    difference = 0.0
    for signature, wanted in (("image_feature_vector", built.features), ("image_classification", built.logits)):
        if wanted is not None:
            values = loaded(batch, signature=signature)
            if signature == "image_classification" and built.activation is not None:
                values = built.activation(values)
            expected = np.asarray(wanted(tf.constant(batch)))
            difference = max(difference, float(np.max(np.abs(values - expected)) / np.max(np.abs(expected))))
    return difference


def _trained(module: Any, batch: np.ndarray) -> dict[str, Any]:
    """Train a module on the batch for three steps, both tasks where there are both."""
    import tensorflow as tf

    names = [name for name in module.spec.get_signature_names() if name.startswith("image_")]
    moving = [v for v in module.variables if v.dtype.is_floating and not v.trainable]
    before = [variable.numpy() for variable in moving]
    losses, reached = [], set()
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = sum(tf.reduce_mean((module(batch, signature=name) - 1) ** 2) for name in names)
        variables = module.trainable_variables
        losses.append(float(loss))
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            # That of a gather has only the rows that were used.
            dense = None if gradient is None else tf.convert_to_tensor(gradient)
            if dense is not None and float(tf.reduce_max(tf.abs(dense))) > 0:
                reached.add(variable.name)
                variable.assign_sub(1e-3 * tf.clip_by_norm(dense, 1.0))
    moved = sum(not np.array_equal(old, new.numpy()) for old, new in zip(before, moving, strict=True))
    finite = bool(np.all(np.isfinite(losses)))
    return {
        "trainable": len(module.trainable_variables),
        "reached": len(reached),
        "losses": losses if finite else None,
        "statistics": len(moving),
        "moved": moved,
        "regularization losses": len(module.regularization_losses),
    }


def main() -> None:
    name, file = sys.argv[1:]
    try:
        result = measured(name)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        result = {"reason": f"{type(error).__name__}: {error}"}
    Path(file).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
