"""Modules of any number of nodes, which the rules that analyse graphs have to follow from the images to the outputs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubcheck.module import proto


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
