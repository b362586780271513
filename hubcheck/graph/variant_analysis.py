"""Everything that checks derive from the graph of one variant, computed once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from hubcheck.graph.consumer_roots import call_bindings, consumer_roots, training_updates
from hubcheck.graph.dataflow.body import Body
from hubcheck.graph.dataflow.dependence import Dependence
from hubcheck.graph.dataflow.execution import CONDITIONALS, Execution
from hubcheck.graph.dataflow.inlining import InlinedGraph
from hubcheck.graph.dataflow.reach import Reach
from hubcheck.graph.dataflow.state import Seeds
from hubcheck.graph.dataflow.unknown_ops import runs_unknown_code
from hubcheck.graph.dataflow.view import GraphView
from hubcheck.graph.devices.device_path import DevicePath
from hubcheck.graph.entry_points import DEFAULT, EntryPoint, signature_entry, trace_entries
from hubcheck.graph.op_tables.ops import CLOCKS, random_ops
from hubcheck.graph.path_origin import PathOrigins
from hubcheck.graph.value_scale.partners import Partners
from hubcheck.graph.value_scale.stored_variables import StoredVariables
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Module, Variant


class VariantAnalysis:
    """The analyses of a variant's graph: each attribute is computed when it is first read, and kept.

    Checks get it from `Context.analysis(variant)`, so that all of them share one.

    Args:
        images: the signatures to analyse, by key: each with its input that is the images (name and tensor), None if
            that cannot be told.
        tasks: the keys of the common signatures. Of another signature, an only output is known as "default".
    """

    def __init__(
        self, module: Module, variant: Variant, images: Mapping[str, tuple[str, Tensor] | None], tasks: Collection[str]
    ) -> None:
        self._module, self._variant, self._images, self._tasks = module, variant, images, tasks

    @cached_property
    def view(self) -> GraphView:
        """The graph and its functions."""
        return GraphView(self._variant.graph)

    @cached_property
    def graph(self) -> InlinedGraph:
        """The graph with its calls inlined."""
        tensors = (tensor for key in self._images for tensor in self._variant.signatures[key].inputs.values())
        ports = (self.view.tensor(component) for tensor in tensors for component in tensor.components)
        fed = {port[0] for port in ports if port is not None}
        return InlinedGraph(self.view, fed=fed)

    @cached_property
    def entries(self) -> tuple[EntryPoint, ...]:
        """The signatures, then the traces of the callable."""
        signatures = (
            signature_entry(self.graph, self._variant.signatures[key], images, default_output=key not in self._tasks)
            for key, images in self._images.items()
        )
        objects = self._module.objects
        return (*signatures, *(trace_entries(self.graph, objects) if objects is not None else ()))

    @cached_property
    def dependence(self) -> Dependence:
        """Which values depend on the images of an entry point, and which on random numbers."""
        return Dependence(self.graph, [value for entry in self.entries for value in entry.images])

    @cached_property
    def bodies(self) -> Sequence[Body]:
        """The main graph, and the functions that it or the callable leads to."""
        traces = self._module.objects.traces if self._module.objects is not None else ()
        functions = [self.view.function(trace.function) for trace in traces]
        return self.view.reachable([self.view.main, *(body for body in functions if body is not None)])

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The ops in `bodies`."""
        return frozenset[str]().union(*(body.kinds for body in self.bodies))

    @cached_property
    def may_be_random(self) -> bool:
        """Whether the graph has a random op, a clock, or an op that may hide some: most graphs have none."""
        has_random_op = not (random_ops().keys() | CLOCKS).isdisjoint(self.kinds)
        return has_random_op or any(runs_unknown_code(op, self.view.library) for op in self.kinds)

    @cached_property
    def execution(self) -> Execution:
        """What runs when the outputs of the entry points are computed; in training, the updates of collections too."""
        values = [value for entry in self.entries for value in entry.outputs.values()]
        updates = map(self.view.tensor, training_updates(self._module, self._variant))
        return Execution(self.graph, [*values, *((self.graph.main, *port) for port in updates if port is not None)])

    @cached_property
    def partners(self) -> Partners:
        """What pixels are combined with."""
        variables = StoredVariables(self._module, self._variant, self.graph, lambda: self.execution)
        return Partners(self.graph, variables)

    @cached_property
    def seeds(self) -> Seeds:
        """Which seeds change from run to run."""
        return Seeds(self.graph, self.execution)

    @cached_property
    def reach(self) -> Reach:
        """What a consumer can run."""
        return Reach(self.view, consumer_roots(self._module, self._variant, self._images))

    @cached_property
    def path_origins(self) -> PathOrigins:
        """Who chooses the paths of the files that the graph opens."""
        fed = [self._variant.saver.filename_tensor_name, *(asset.tensor for asset in self._variant.assets)]
        objects = self._module.objects
        bindings = call_bindings(objects, self.view) if objects is not None else {}
        return PathOrigins(self.reach, filter(None, fed), bindings)

    @cached_property
    def device_path(self) -> DevicePath:
        """The nodes between the images and the "default" outputs of the entry points."""
        images = [(frame.body, node) for entry in self.entries for frame, node, _ in entry.images]
        values = [entry.outputs[DEFAULT] for entry in self.entries if DEFAULT in entry.outputs]
        ends = [(frame.body, (node, number)) for frame, node, number in values]
        return DevicePath(self.view, images, ends, self.branches)

    @cached_property
    def branches(self) -> Execution | None:
        """Which branches of conditionals are taken; None in a graph without conditionals."""
        return None if self.kinds.isdisjoint(CONDITIONALS) else self.execution

    @cached_property
    def dtypes(self) -> frozenset[int]:
        """The values of all attributes `T`, the types in which most ops compute, as enum numbers."""
        bodies = [self.view.main, *(self.view.function(name) for name in self.view.library)]
        attributes = (body.attribute(node, "T") for body in bodies if body is not None for node in body)
        return frozenset(attribute.type for attribute in attributes if attribute is not None)
