"""Time and memory of the rules that analyse graphs, for 100,000 and 1,000,000 nodes, and how they grow."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Fault
from hubcheck.engine.predicates import predicate
from hubcheck.module import proto
from hubcheck.module.limits import LIMITS
from hubcheck.module.reader import read
from hubcheck.rulebook.contract import load_contracts
from hubcheck.rulebook.rules import load_rules
from hubcheck.util.walk import gc_paused

SIZES = (100_000, 1_000_000)
SECONDS, MEGABYTES = 20, 3000


class Writer:
    """Build a SavedModel of one graph, node by node."""

    def __init__(self) -> None:
        self.saved_model = proto.message_class("SavedModel")(saved_model_schema_version=1)
        self.meta_graph = self.saved_model.meta_graphs.add()
        self.meta_graph.meta_info_def.tags.append("serve")
        self.nodes: Any = self.meta_graph.graph_def.node

    def node(self, op: str, name: str, *inputs: str, shape: tuple[int, ...] = (-1, 8, 8, 4), nodes: Any = None) -> str:
        """Add a float32 node; return its name."""
        node = (self.nodes if nodes is None else nodes).add(name=name, op=op, input=inputs)
        node.attr["T"].type = 1
        shapes = node.attr["_output_shapes"].list.shape.add()
        for size in shape:
            shapes.dim.add(size=size)
        return name

    def constant(self, name: str, *values: float, dtype: int = 1, nodes: Any = None) -> str:
        """Add a one-dimensional Const; return its name."""
        self.node("Const", name, shape=(len(values),), nodes=nodes)
        tensor = (self.nodes if nodes is None else nodes)[-1].attr["value"].tensor
        tensor.dtype = dtype
        tensor.tensor_shape.dim.add(size=len(values))
        tensor.tensor_content = struct.pack(
            f"<{len(values)}{'f' if dtype == 1 else 'i'}", *map(float if dtype == 1 else int, values)
        )
        return name

    def write(self, folder: Path, output: str) -> None:
        """Declare the signatures and write the module."""
        for key in ("serving_default", "image_feature_vector"):
            signature = self.meta_graph.signature_def[key]
            for side, name, dims in (
                (signature.inputs, "images", (-1, 8, 8, 3)),
                (signature.outputs, "default", (-1, 4)),
            ):
                info = side["images" if name == "images" else "default"]
                info.name, info.dtype = f"{name if name == 'images' else output}:0", 1
                for size in dims:
                    info.tensor_shape.dim.add(size=size)
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(self.saved_model.SerializeToString())


def deep(folder: Path, size: int) -> None:
    """Write a chain of residual blocks with inner dropout; the last tenth are element-wise ops."""
    writer = Writer()
    x = writer.node("Placeholder", "images", shape=(-1, 8, 8, 3))
    for i in range(size * 9 // 110):
        x = _block(writer, f"block_{i}/", x)
    x = writer.node("Mean", "pooled", x, writer.constant("axes", 1, 2, dtype=3), shape=(-1, 4))
    scale = writer.constant("scale", 1.0)
    while len(writer.nodes) < size:
        x = writer.node("Relu", f"relu_{len(writer.nodes)}", x, shape=(-1, 4))
        x = writer.node("Mul", f"mul_{len(writer.nodes)}", x, scale, shape=(-1, 4))
    writer.write(folder, x)


def calls(folder: Path, size: int) -> None:
    """Write a chain of calls of different functions."""
    writer = Writer()
    x = writer.node("Placeholder", "images", shape=(-1, 8, 8, 3))
    for i in range(size // 12):
        function = writer.meta_graph.graph_def.library.function.add()
        function.signature.name = f"block_{i}"
        function.signature.input_arg.add(name="x", type=1)
        function.signature.output_arg.add(name="y", type=1)
        function.ret["y"] = _block(writer, "", "x", function.node_def)
        x = writer.node("StatefulPartitionedCall", f"call_{i}", x)
        writer.nodes[-1].attr["f"].func.name = f"block_{i}"
    x = writer.node("Mean", "pooled", x, writer.constant("axes", 1, 2, dtype=3), shape=(-1, 4))
    writer.write(folder, x)


def _block(writer: Writer, scope: str, x: str, nodes: Any = None) -> str:
    """Add eleven nodes: a convolution, dropout with a fixed seed, and the sum with the input."""

    def port(name: str, output: str = "output") -> str:
        return name if nodes is None else f"{name}:{output}:0"

    def constant(name: str, *values: float, dtype: int = 1) -> str:
        return port(writer.constant(scope + name, *values, dtype=dtype, nodes=nodes))

    def node(op: str, name: str, *inputs: str, output: str = "output") -> str:
        return port(writer.node(op, scope + name, *inputs, nodes=nodes), output)

    y = node("Conv2D", "conv", x, constant("kernel", 1.0))
    y = node("Relu", "relu", y, output="activations")
    sizes, seed = constant("sizes", 1, 8, 8, 4, dtype=3), constant("seed", 1, 2, dtype=3)
    drawn = node("StatelessRandomUniform", "drawn", sizes, seed)
    kept = node("GreaterEqual", "kept", drawn, constant("rate", 0.5), output="z")
    y = node("SelectV2", "dropped", kept, y, constant("zero", 0.0))
    return node("AddV2", "sum", x, y, output="z")


SHAPES: dict[str, Callable[[Path, int], None]] = {"one deep graph": deep, "one function per block": calls}


_BUILD = "from pathlib import Path; from tests.benchmarks import graph; graph.{}(Path({!r}), {})"
_CHECK = "from tests.benchmarks import graph; graph.check({!r})"
RULES = (
    "output/no-dropout",
    "behaviour/deterministic",
    "classification/logits",
    "image-input/value-range",
    "device/",
    "safety/",
)


def check(path: str) -> None:
    """Read a module of any size and evaluate all rules that analyse its graph; print CPU seconds as JSON."""
    start = time.process_time()
    module = read(path, limits=replace(LIMITS, nodes=1 << 40))
    assert not module.problems, module.problems
    context, read_in = Context(module, load_contracts()), time.process_time() - start
    with gc_paused():  # As in the engine.
        for rule in load_rules().values():
            if rule.check is not None and rule.id.startswith(RULES):
                faults = [item for item in predicate(rule.check)(context, **rule.params) if isinstance(item, Fault)]
                assert not faults, (rule.id, faults[0])
    print(json.dumps({"read": read_in, "rules": time.process_time() - start - read_in}))


def measured(path: Path) -> tuple[float, float, float]:
    """Return CPU seconds of reading and of the rules, and peak megabytes, measured in a separate process."""
    process = subprocess.Popen([sys.executable, "-c", _CHECK.format(str(path))], stdout=subprocess.PIPE)
    assert process.stdout is not None
    seconds = json.loads(process.stdout.read())
    _, _, usage = os.wait4(process.pid, 0)
    return seconds["read"], seconds["rules"], usage.ru_maxrss / 1024


def main() -> None:
    """Print a row for each graph and size, and the exponent of growth between the sizes."""
    for title, build in SHAPES.items():
        seconds = []
        for size in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "module")
                # In a separate process, so that its memory is not measured.
                subprocess.run([sys.executable, "-c", _BUILD.format(build.__name__, str(path), size)], check=True)
                reading, rules, megabytes = measured(path)
            seconds.append(rules)
            goal = f" (goal: {SECONDS} s, {MEGABYTES} MB)" if size == SIZES[-1] else ""
            print(
                f"  {title}, {size:,} nodes: read {reading:.2f} s, rules {rules:.2f} s of CPU, {megabytes:.0f} MB{goal}"
            )
        print(
            f"  {title}: the rules' time grows with the nodes to the power of {math.log10(seconds[1] / seconds[0]):.2f}"
        )


if __name__ == "__main__":
    main()
