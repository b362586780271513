"""Graphs that are costly to analyse: with very many paths, or very large.

Each is a module whose `image_feature_vector` ends in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hubcheck.module.proto import message_class

CostlyGraph = Callable[[Any, int], str]
"""Adds about so many nodes to a GraphDef, and returns the name of the last tensor."""


def module(build: CostlyGraph, size: int) -> bytes:
    """Return a TF1 SavedModel with the graph behind its outputs."""
    model = message_class("SavedModel")(saved_model_schema_version=1)
    meta = model.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    graph = meta.graph_def
    images = add(graph, "images", "Placeholder")
    images.attr["dtype"].type = 1
    end = build(graph, size)
    for key in ("serving_default", "image_feature_vector"):
        signature = meta.signature_def[key]
        _tensor(signature.inputs["images"], "images:0", (-1, 24, 32, 3))
        _tensor(signature.outputs["default"], end, (-1, 8))
    return bytes(model.SerializeToString())


def add(graph: Any, name: str, op: str, *inputs: str) -> Any:
    """Add a node to a GraphDef or a FunctionDef."""
    nodes = graph.node if hasattr(graph, "library") else graph.node_def
    return nodes.add(name=name, op=op, input=inputs)


def function(graph: Any, name: str, arguments: int = 1) -> Any:
    """Add a function of float tensors that returns one."""
    made = graph.library.function.add()
    made.signature.name = name
    for number in range(arguments):
        made.signature.input_arg.add(name=f"x{number}", type=1)
    made.signature.output_arg.add(name="y", type=1)
    return made


def call(graph: Any, name: str, callee: str, *inputs: str, op: str = "PartitionedCall") -> Any:
    """Add a node that calls a function."""
    node = add(graph, name, op, *inputs)
    node.attr["f"].func.name = callee
    for _ in inputs:
        node.attr["Tin"].list.type.append(1)
    node.attr["Tout"].list.type.append(1)
    return node


def chain(graph: Any, size: int) -> str:
    """A chain of identities, the first of them last in the file."""
    names = ["images", *(f"n{i}" for i in range(size))]
    for i in reversed(range(size)):
        add(graph, names[i + 1], "Identity", names[i])
    return f"{names[-1]}:0"


def fan(graph: Any, size: int) -> str:
    """One node with very many inputs."""
    add(graph, "fan", "AddN", *["images"] * size)
    return "fan:0"


def controls(graph: Any, size: int) -> str:
    """Layers of nodes, each with control inputs from all nodes of the layer before."""
    width = int(size**0.5)
    layer: Sequence[str] = ["images"]
    for depth in range(4):
        names = [f"c{depth}_{i}" for i in range(width)]
        for name in names:
            add(graph, name, "Identity", "images", *(f"^{other}" for other in layer))
        layer = names
    return f"{layer[0]}:0"


def doubling(graph: Any, size: int) -> str:
    """Functions that call the next one twice."""
    depth = min(size, 60)
    for level in range(depth):
        made = function(graph, f"f{level}")
        if level + 1 < depth:
            call(made, "a", f"f{level + 1}", "x0")
            call(made, "b", f"f{level + 1}", "a:output:0")
        else:
            add(made, "b", "RandomUniform", "x0")
        made.ret["y"] = "b:output:0"
    call(graph, "end", "f0", "images")
    return "end:0"


def recursion(graph: Any, size: int) -> str:
    """A function that calls itself many times."""
    made = function(graph, "f")
    last = "x0"
    for i in range(size):
        call(made, f"n{i}", "f", last)
        last = f"n{i}:output:0"
    made.ret["y"] = last
    add(made, "r", "RandomUniform", "x0")
    call(graph, "end", "f", "images")
    return "end:0"


def loops(graph: Any, size: int) -> str:
    """Nested loops, each of which permutes its values."""
    depth = min(size, 40)
    for level in range(depth):
        body, condition = function(graph, f"b{level}", 3), function(graph, f"c{level}", 3)
        add(condition, "r", "RandomUniform", "x0")
        condition.ret["y"] = "r:output:0"
        if level + 1 < depth:
            node = add(body, "w", "While", "x1", "x2", "x0")
            node.attr["body"].func.name, node.attr["cond"].func.name = f"b{level + 1}", f"c{level + 1}"
            body.ret["y"] = "w:output:0"
        else:
            body.ret["y"] = "x2"
    node = add(graph, "end", "While", "images", "images", "images")
    node.attr["body"].func.name, node.attr["cond"].func.name = "b0", "c0"
    return "end:0"


def branches(graph: Any, size: int) -> str:
    """Conditions that depend on the results of conditions."""
    made = function(graph, "t", 2)
    made.ret["y"] = "x0"
    last = "images"
    for i in range(size):
        node = add(graph, f"i{i}", "If", last, last, "images")
        node.attr["then_branch"].func.name = node.attr["else_branch"].func.name = "t"
        last = f"i{i}"
    add(graph, "r", "RandomUniform", last)
    add(graph, "end", "Mul", last, "r")
    return "end:0"


def switches(graph: Any, size: int) -> str:
    """Nested TF1 conditionals, in a cycle."""
    add(graph, "r", "RandomUniform", "images")
    last = "images"
    for i in range(size):
        add(graph, f"s{i}", "Switch", last, "r")
        add(graph, f"m{i}", "Merge", f"s{i}:0", f"s{i}:1", f"m{(i + 1) % size}")
        last = f"m{i}"
    return f"{last}:0"


def diamonds(graph: Any, size: int) -> str:
    """Sums of two products of one value, each of which doubles the number of paths."""
    add(graph, "r", "RandomUniform", "images")
    last = "images"
    for i in range(size):
        add(graph, f"a{i}", "Relu", last)
        add(graph, f"b{i}", "Mul", last, "r")
        add(graph, f"d{i}", "AddV2", f"a{i}", f"b{i}")
        last = f"d{i}"
    return f"{last}:0"


def axes(graph: Any, size: int) -> str:
    """A mean over half of the axes of a tensor that is transposed many times."""
    rank = 16
    order = list(range(rank))
    for name, turned in (("swap", [1, 0, *order[2:]]), ("turn", [*order[1:], 0]), ("half", order[:8])):
        node = add(graph, name, "Const")
        node.attr["dtype"].type = 3
        node.attr["value"].tensor.dtype = 3
        node.attr["value"].tensor.int_val.extend(turned)
        node.attr["value"].tensor.tensor_shape.dim.add(size=len(turned))
    add(graph, "r", "RandomUniform", "swap")
    shaped(add(graph, "x0", "Reshape", "images", "swap"), rank)
    for i in range(size):
        shaped(add(graph, f"a{i}", "Transpose", f"x{i}", "swap"), rank)
        shaped(add(graph, f"b{i}", "Transpose", f"x{i}", "turn"), rank)
        shaped(add(graph, f"x{i + 1}", "SelectV2", "r", f"a{i}", f"b{i}"), rank)
    add(graph, "end", "Mean", f"x{size}", "half")
    return "end:0"


def shaped(node: Any, rank: int) -> None:
    """Declare the shape of a node's output: so many axes of size 2."""
    shape = node.attr["_output_shapes"].list.shape.add()
    for _ in range(rank):
        shape.dim.add(size=2)


def savers(graph: Any, size: int) -> str:
    """Files whose paths come from one long chain of nodes."""
    last = "images"
    for i in range(size):
        add(graph, f"p{i}", "StringJoin", last, last)
        last = f"p{i}"
    for i in range(size):
        add(graph, f"w{i}", "WriteFile", last, last)
    add(graph, "end", "Identity", "images", *(f"^w{i}" for i in range(size)))
    return "end:0"


def handles(graph: Any, size: int) -> str:
    """Paths that are read from variables."""
    for i in range(size):
        add(graph, f"v{i}", "VarHandleOp")
        add(graph, f"r{i}", "ReadVariableOp", f"v{i}")
        add(graph, f"w{i}", "ReadFile", f"r{i}")
    add(graph, "end", "Identity", "images", *(f"^w{i}" for i in range(size)))
    return "end:0"


def signatures(graph: Any, size: int) -> str:
    """Stands for nothing; the many names are of nodes."""
    for i in range(size):
        add(graph, f"s{i}", f"Unknown{i}", "images")
    return f"s{size - 1}:0"


def affine(graph: Any, size: int) -> str:
    """A chain of scales and offsets of the images before the first layer."""
    last = "images"
    for i in range(size):
        add(graph, f"c{i}", "Const").attr["value"].tensor.float_val.append(1.5)
        add(graph, f"a{i}", "Mul" if i % 2 else "AddV2", last, f"c{i}")
        last = f"a{i}"
    add(graph, "end", "MatMul", last, last)
    return "end:0"


def passed_on(graph: Any, size: int) -> str:
    """A function that adds more to the images at each of the hundreds of levels on which it calls itself."""
    made = function(graph, "f", 3)
    add(made, "read", "ReadVariableOp", "x1")
    add(made, "more", "AddV2", "x2", "read:value:0")
    add(made, "sum", "AddV2", "x0", "more:z:0")
    call(made, "next", "f", "x0", "x1", "more:z:0")
    add(made, "both", "AddV2", "sum:z:0", "next:output:0")
    made.ret["y"] = "both:z:0"
    add(graph, "v", "VarHandleOp")
    for i in range(size):
        call(graph, f"sums{i}", "f", "images", "v", "v")
    add(graph, "end", "AddN", *(f"sums{i}" for i in range(size)))
    return "end:0"


def restored(graph: Any, size: int) -> str:
    """A restore op with very many outputs, each kept by a variable, of which one passes through a ring."""
    names = add(graph, "names", "Const").attr["value"].tensor
    names.dtype = 7
    names.string_val.extend(b"v%d" % i for i in range(size))
    add(graph, "file", "Const")
    add(graph, "restore", "RestoreV2", "file", "names", "names")
    add(graph, "ring", "Identity", "restore:0", "ring2")
    add(graph, "ring2", "Identity", "ring")
    for i in range(size):
        add(graph, f"v{i}", "VarHandleOp")
        add(graph, f"assign{i}", "AssignVariableOp", f"v{i}", f"restore:{i}")
    return "images:0"


COSTLY_GRAPHS: dict[str, tuple[CostlyGraph, int]] = {
    "chain": (chain, 100_000),
    "fan": (fan, 1_000_000),
    "controls": (controls, 250_000),
    "doubling": (doubling, 60),
    "recursion": (recursion, 1_000),
    "loops": (loops, 40),
    "branches": (branches, 20_000),
    "switches": (switches, 20_000),
    "diamonds": (diamonds, 20_000),
    "axes": (axes, 2_000),
    "savers": (savers, 10_000),
    "handles": (handles, 10_000),
    "signatures": (signatures, 100_000),
    "affine": (affine, 30_000),
    "passed_on": (passed_on, 200),
    "restored": (restored, 50_000),
}
"""Each graph, with its size in a long run."""


def _tensor(info: Any, name: str, dims: Sequence[int]) -> None:
    info.name, info.dtype = name, 1
    for size in dims:
        info.tensor_shape.dim.add(size=size)
