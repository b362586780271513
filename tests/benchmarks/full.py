"""`hubcheck validate` with probes, compared with a script that loads the module and calls it twice."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.benchmarks.measure import side_by_side, table
from tests.benchmarks.models import module

BIN = Path(sys.executable).parent
BARE = """
import sys, numpy, tensorflow as tf
module = tf.saved_model.load(sys.argv[1])
signature = module.signatures["serving_default"]
_, height, width, _ = signature.structured_input_signature[1]["images"].shape
for batch in (1, 2):
    signature(images=tf.constant(numpy.random.rand(batch, height, width, 3).astype("float32")))
"""


def main() -> None:
    """Print one table per model, then one for 20 modules in one call."""
    for name in ("mobilenet_v2", "resnet50"):
        path = str(module(name))
        table(f"full, {name}", both(path))
    many = [module("tiny")] * 10 + [module("mobilenet_v2")] * 6 + [module("resnet50")] * 4
    hub = _hub(many)
    bare = {path.name: side_by_side({"bare": _bare(str(path))}, runs=3)["bare"].wall for path in dict.fromkeys(many)}
    figures = side_by_side(
        {"hubcheck validate, 20 modules": [str(BIN / "hubcheck"), "validate", "--no-cache", str(hub)]}, runs=1
    )
    ours = figures["hubcheck validate, 20 modules"]
    theirs = sum(bare[path.name] for path in many)
    print(f"\nfull, 20 modules in one call (10 tiny, 6 MobileNetV2, 4 ResNet50)\n  hubcheck {ours.wall:.1f} s")
    print(f"  the bare script 20 times {theirs:.1f} s")
    print(f"  x {ours.wall / theirs:.3f}; {ours.memory:.0f} MB in its largest process")


def both(path: str) -> dict:
    """Measure hubcheck and the bare script on one module."""
    commands = {
        "hubcheck validate": [str(BIN / "hubcheck"), "validate", "--no-cache", path],
        "import, load, call twice": _bare(path),
    }
    return side_by_side(commands, runs=3)


def _bare(path: str) -> list[str]:
    return [sys.executable, "-c", BARE, path]


def _hub(paths: list[Path]) -> Path:
    """Return a folder of modules made of hard links; nothing is cached, so each is checked."""
    hub = paths[0].parent / "hub20"
    hub.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        link = hub / f"{number:02}_{path.name}"
        if not link.exists():
            shutil.copytree(path, link, copy_function=os.link)
    return hub


if __name__ == "__main__":
    main()
