"""The weights in the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Node, Skip, Where
from hubcheck.graph.read_weights import read_entries
from hubcheck.module.checkpoint import OBJECT_GRAPH_KEY
from hubcheck.util.text import listed, plural

MAX_SEED = 3
"""Elements of a counter or a seed: the state of `tf.random.Generator` has three integers."""


def duplicates(context: Context, *, least_elements: int) -> Iterator[CheckItem]:
    """No two entries with at least `least_elements` elements have the same bytes."""
    checkpoint = context.module.checkpoint
    if checkpoint is None:
        yield Skip("the module has no checkpoint")
        return
    yield Checked()
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, entry in checkpoint.entries.items():
        if not entry.slices and entry.elements >= least_elements:
            groups.setdefault((entry.dtype, entry.shape, entry.size, entry.crc32c), []).append(name)
    copies = [names for names in groups.values() if len(names) > 1]
    if copies:
        spare = sum((len(names) - 1) * checkpoint.entries[names[0]].size for names in copies)
        shown = "; ".join(" = ".join(names) for names in copies[:2]) + ("; ..." if len(copies) > 2 else "")
        yield Fault(
            Where(), shown, "each weight once", {"count": plural(len(copies), "weight"), "spare": f"{spare:,} bytes"}
        )


def unused(context: Context, *, most_share: float, least_bytes: int) -> Iterator[CheckItem]:
    """At most `most_share` of the checkpoint's bytes, or less than `least_bytes`, belong to entries that nothing reads.

    Copies of entries that are read are left to module/duplicate-weights. Counters of steps and saves and the seeds of
    random generators are no weights: TensorFlow and Keras track them, whether they are read or not.
    """
    module = context.module
    if module.checkpoint is None:
        yield Skip("the module has no checkpoint")
        return
    entries = {
        key: entry
        for key, entry in module.checkpoint.entries.items()
        if key != OBJECT_GRAPH_KEY and not (entry.elements <= MAX_SEED and entry.dtype.lstrip("u").startswith("int"))
    }
    read = read_entries(module, {variant.tags: context.analysis(variant).reach for variant in module.variants})
    if read is None:
        yield Skip("the files do not tell what reads the weights", undecided=True)
        return
    yield Checked()
    needed = {(entry.dtype, entry.shape, entry.crc32c) for key, entry in entries.items() if key in read}
    spare = {
        key: entry.size
        for key, entry in entries.items()
        if key not in read and (entry.slices or (entry.dtype, entry.shape, entry.crc32c) not in needed)
    }
    total, lost = sum(entry.size for entry in entries.values()), sum(spare.values())
    if lost > most_share * total and lost >= least_bytes:
        largest = sorted(spare, key=lambda key: (-spare[key], key))
        details = {
            "spare": f"{lost:,} of {total:,} bytes",
            "count": "1 entry" if len(spare) == 1 else f"{len(spare)} entries",
        }
        yield Fault(Where(), listed(largest), f"at most {most_share:.0%} that nothing reads", details)


def reference_variables(context: Context, *, ops: Sequence[str]) -> Iterator[CheckItem]:
    """No signature reaches a reference variable of TF1, whose ops are `ops`."""
    for variant in context.module.variants:
        yield Checked()
        reach = context.analysis(variant).reach
        found = [(body, index) for body, index in reach.nodes(ops) if not reach.root(body, index).feeds]
        if found:
            body, index = found[0]
            names = listed([body.names[index] for body, index in found])
            node = Node(body.names[index], body.ops[index], body.function)
            details = {"count": plural(len(found), "reference variable")}
            yield Fault(
                Where(variant.name, node=node), names, "resource variables", details, group="reference variables"
            )
