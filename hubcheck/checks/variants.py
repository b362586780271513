"""Whether all variants of a TF1 module, and all traces of a TF2 module, have the same contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Side, Where
from hubcheck.module.tensors import Tensor
from hubcheck.module.types import Module, Signature, Trace, Variant

_ALLOWED_COLLECTIONS = frozenset(
    [
        "variables",
        "trainable_variables",
        "model_variables",
        "table_initializer",
        "update_ops",
        "regularization_losses",
        "asset_filepaths",
        "cond_context",
        "while_context",
        "hub_module_attachments",
        "saved_model_assets",
    ]
)
"""What tensorflow_hub 0.12 to 0.15 imports; it rejects a module with any other collection (native_module.py)."""


_FIX_HUB = (
    "Export the graph for inference with the empty tag set as well: hub.create_module_spec(module_fn, "
    'tags_and_args=[(set(), {"training": False}), ({"train"}, {"training": True})]).'
)
_FIX_SERVE = (
    "Export the graph for inference with the tag serve, and no other: "
    'builder.add_meta_graph_and_variables(session, ["serve"], signatures).'
)


def variants(context: Context) -> Iterator[CheckItem]:
    """An inference variant exists, and every variant, or every trace of a task, has the same contract."""
    module = context.module
    inference = module.inference
    yield Checked()
    if inference is None:
        found = " and ".join(f"{{{variant.name}}}" for variant in module.variants)
        wanted = "{}, the empty tag set" if module.format == "tf1-hub" else "{serve}"
        fix = _FIX_HUB if module.format == "tf1-hub" else _FIX_SERVE
        yield Fault(Where(), f"tag sets {found}", wanted, message="there is no inference variant", fix=fix)
        return
    for variant in module.variants:
        if variant is not inference:
            yield from _same_signatures(inference, variant)
        if module.format == "tf1-hub":
            yield from _collections(variant)
    yield from _trace_widths(context, inference)


def _same_signatures(inference: Variant, variant: Variant) -> Iterator[Fault]:
    for key in sorted({*inference.signatures, *variant.signatures}):
        mine, theirs = variant.signatures.get(key), inference.signatures.get(key)
        if mine is None or theirs is None:
            here = Where(variant.name, None, key)
            without = variant if mine is None else inference
            name = f'"{without.name}"' if without.tags else "for inference"
            yield Fault(
                here,
                f"signatures {', '.join(variant.signatures) or 'none'}",
                f"signatures {', '.join(inference.signatures) or 'none'}",
                message=f"the variant {name} lacks the signature {key}",
                fix=f"Export the signature {key} in that variant too, with the same inputs and outputs.",
            )
        elif _contract(mine) != _contract(theirs):
            difference = _first_difference(mine, theirs)
            # The default signature usually is a task signature, and differs as that does.
            yield replace(_difference_fault(Where(variant.name, None, key), *difference), group=difference)


def _difference_fault(where: Where, side: Side, name: str, found: str, wanted: str) -> Fault:
    place = replace(where, side=side, key=name)
    if not found or not wanted:
        lacking, thing = ("this variant", wanted) if not found else ("the inference variant", found)
        message = f'{lacking} lacks the {side[:-1]} "{name}" ({thing})'
        return Fault(place, found or "none", wanted or "none", message=message)
    message = "the signature differs from that of the inference variant: {found}, there {wanted}"
    return Fault(place, found, wanted, message=message)


def _contract(signature: Signature) -> dict[tuple[Side, str], tuple[str, str]]:
    sides: tuple[tuple[Side, Mapping[str, Tensor]], ...] = (
        ("inputs", signature.inputs),
        ("outputs", signature.outputs),
    )
    return {(side, key): (tensor.encoding, str(tensor)) for side, tensors in sides for key, tensor in tensors.items()}


def _first_difference(mine: Signature, theirs: Signature) -> tuple[Side, str, str, str]:
    here, there = _contract(mine), _contract(theirs)
    side, key = next(place for place in sorted({*here, *there}) if here.get(place) != there.get(place))
    found, wanted = here.get((side, key)), there.get((side, key))
    return side, key, found[1] if found else "", wanted[1] if wanted else ""


def _collections(variant: Variant) -> Iterator[Fault]:
    surplus = sorted(set(variant.collections) - _ALLOWED_COLLECTIONS)
    if surplus:
        yield Fault(
            Where(variant.name),
            ", ".join(surplus),
            "only " + ", ".join(sorted(_ALLOWED_COLLECTIONS)),
            message="the MetaGraph has collections that a TF1 Hub module must not have: {found}",
            fix="Clear these collections of the graph before the export.",
        )


def _trace_widths(context: Context, inference: Variant) -> Iterator[Fault]:
    """Yield a fault if the traces of a TF2 callable and the task signatures have results of different widths."""
    if context.module.objects is None:
        return
    found: dict[int, str] = {}
    alike: dict[str, dict[int, str]] = {}
    for trace in context.module.objects.traces:
        width = _width(trace.outputs.get("")) if trace.image_argument is not None else None
        if width is not None:
            found.setdefault(width, trace.name)
            alike.setdefault(_other_arguments(trace), {}).setdefault(width, trace.name)
    for widths in alike.values():
        if len(widths) > 1:
            shown = ", ".join(f"{width} ({name})" for width, name in widths.items())
            where = Where(None, list(widths.values())[1], None, "outputs")
            message = "traces of the callable return results of different widths: {found}"
            yield Fault(where, shown, "one width", message=message)
            return
    declared = {
        width: key
        for key in dict.fromkeys(signature.key for _, signature, _ in context.common_signatures())
        if (width := _signature_width(context.module, inference, key)) is not None
    }
    for width, name in found.items():
        if declared and width not in declared:
            wanted = " or ".join(f"{other} ({key})" for other, key in declared.items())
            where = Where(None, name, None, "outputs")
            message = "the callable returns a result of width {found}, the signatures {wanted}"
            yield Fault(where, str(width), wanted, message=message)


def _other_arguments(trace: Trace) -> str:
    """Return the arguments of a trace other than `training`: `include_top=True` selects another task."""
    chosen = {name: value for name, value in trace.arguments.items() if not isinstance(value, Tensor)}
    return repr(sorted((name, value) for name, value in chosen.items() if name != "training"))


def _signature_width(module: Module, variant: Variant, key: str) -> int | None:
    signature = variant.signatures.get(key)
    return _width(signature.outputs.get("default")) if signature is not None else None


def _width(tensor: Tensor | None) -> int | None:
    dims = tensor.shape.dims if tensor is not None else None
    return dims[-1] if dims is not None and len(dims) == 2 else None
