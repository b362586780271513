"""The signatures of a module: a common one by its name, and a default signature that is the same function."""

from __future__ import annotations

from collections.abc import Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.graph.same_function import origin
from hubcheck.module.types import Signature, Variant
from hubcheck.rulebook.contract import SignatureContract
from hubcheck.rulebook.interfaces import called_with_images

_DEFAULT = "default"
_HOW_TO_ADD = {
    "tf1-hub": "Add it in the module function: "
    'hub.add_signature("image_feature_vector", {"images": images}, {"default": features}).',
    "tf1-saved-model": "Pass the signature of the features (or logits) under that name too: "
    'builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": s, "image_feature_vector": s}).',
    "tf2-saved-model": "Export the function that computes the features (or logits) under that name too: "
    'tf.saved_model.save(obj, path, signatures={"serving_default": f, "image_feature_vector": f}).',
}


def task_signature(context: Context) -> Iterator[CheckItem]:
    """At least one signature has exactly the name of a common one."""
    yield Checked()
    if any(context.common_signatures()):
        return
    import difflib  # most modules have a common signature, and need neither

    from hubcheck.checks.adapting import adaptation

    names = sorted({key for variant in context.module.variants for key in variant.signatures})
    adapted = adaptation(context)
    advice = f"`hubcheck adapt` cannot make a conforming module of it: {adapted.obstacle}."
    if adapted.command:
        advice = "Or let `hubcheck adapt` make a conforming module of it."
        advice += "".join(f" {note[0].upper()}{note[1:]}." for note in adapted.unsure)
    inference = context.module.inference or next(iter(context.module.variants), None)
    near = [name for name in names if difflib.get_close_matches(name.lower(), context.contracts, n=1, cutoff=0.8)]
    hint = f"; rename {near[0]!r}" if near else ""
    yield Fault(
        Where(inference.name if inference else None),
        ", ".join(names) or "no signature",
        " or ".join(context.contracts),
        {"hint": hint},
        fix=f"{_HOW_TO_ADD[context.module.format or 'tf2-saved-model']} {advice}",
        command=adapted.command,
        blocks=not context.judged(),
    )


def default_signature(context: Context) -> Iterator[CheckItem]:
    """Every variant has a default signature that takes the images, returns `default`, and is a task signature."""
    key = context.module.default_signature
    declared = True
    yield Checked()
    for variant in context.module.variants:
        faults = list(_declaration_faults(context, variant, key))
        declared = declared and not faults
        yield from faults
    faults = list(_callable_faults(context))
    yield from faults
    if declared and not faults:
        tasks = {variant.tags: task_of(context, variant, key) for variant in context.module.variants}
        inference = context.module.inference
        same = tasks[inference.tags] if inference is not None else None
        for variant in context.module.variants:
            if tasks[variant.tags] is None:
                yield from _separate_result(context, variant, key, same)


def _declaration_faults(context: Context, variant: Variant, key: str) -> Iterator[Fault]:
    default = variant.signatures.get(key)
    if default is None:
        found = ", ".join(variant.signatures) or "no signature"
        yield Fault(Where(variant.name), found, f'"{key}"', {"key": key}, message="there is no default signature {key}")
        return
    yield from _input_faults(context, variant, default)
    free = context.module.format == "tf2-saved-model" and len(default.outputs) == 1
    if _DEFAULT not in default.outputs and not free:
        where = Where(variant.name, None, key, "outputs")
        found = ", ".join(default.outputs) or "no output"
        yield Fault(where, found, f'"{_DEFAULT}"', message='the default signature has no output "default"')


def _tasks(context: Context, variant: Variant) -> list[Signature]:
    return [variant.signatures[name] for name in context.contracts if name in variant.signatures]


def _input_faults(context: Context, variant: Variant, default: Signature) -> Iterator[Fault]:
    """Yield a fault unless the default signature has the input of a task signature, or of a contract.

    What the image-input rules find in a task signature is not reported again of the default signature.
    """
    tasks = _tasks(context, variant)
    needed = set(default.inputs)
    if any(needed == set(task.inputs) and _same_inputs(default, task) for task in tasks):
        return
    if any(_fits_contract(contract, default) for contract in context.contracts.values()):
        return
    where = Where(variant.name, None, default.key, "inputs")
    found = ", ".join(f"{name}: {tensor}" for name, tensor in default.inputs.items()) or "no input"
    wanted = " or ".join(
        dict.fromkeys(", ".join(f"{name}: {tensor}" for name, tensor in task.inputs.items()) for task in tasks)
    )
    if not tasks:
        if len(needed) != 1:
            yield Fault(where, found, "the images input alone", message="the default signature takes {found}")
        return
    yield Fault(where, found, wanted, message="the default signature does not take what the task signatures take")


def _same_inputs(default: Signature, task: Signature) -> bool:
    """Return whether dtypes, encodings and shapes agree, except for heights and widths: see module/image-size."""
    for name, tensor in default.inputs.items():
        other = task.inputs.get(name)
        if other is None:
            continue
        mine, theirs = tensor.shape.dims, other.shape.dims
        if (tensor.dtype, tensor.encoding) != (other.dtype, other.encoding):
            return False
        if mine is not None and theirs is not None and len(mine) == len(theirs) == 4:
            mine, theirs = (mine[0], mine[3]), (theirs[0], theirs[3])
        if mine != theirs:
            return False
    return True


def _fits_contract(contract: SignatureContract, default: Signature) -> bool:
    """Return whether the inputs of the default signature are those of a contract, with any height and width."""
    if set(default.inputs) != set(contract.inputs):
        return False
    for key, promised in contract.inputs.items():
        tensor = default.inputs[key]
        dims = tensor.shape.dims
        if (tensor.encoding, tensor.dtype) != (promised.encoding, promised.dtype):
            return False
        if dims is None or len(dims) != promised.rank:
            return False
        for dim, want in zip(dims, promised.shape, strict=True):
            if (isinstance(want, int) and dim != want) or (
                isinstance(want, str) and want.endswith("?") and dim is not None
            ):
                return False
    return True


def _callable_faults(context: Context) -> Iterator[Fault]:
    inference = context.module.inference
    if context.module.objects is None:
        return
    tasks = _tasks(context, inference) if inference is not None else []
    promised = {task.key: task.outputs[_DEFAULT] for task in tasks if _DEFAULT in task.outputs}
    ranks = {tensor.shape.rank for tensor in promised.values()}
    for trace in called_with_images(context.module.objects):
        if set(trace.outputs) != {""}:
            found = ", ".join(f"{path}: {tensor}" for path, tensor in trace.outputs.items()) or "nothing"
            yield Fault(
                Where(None, trace.name, None, "outputs"),
                found,
                "one tensor",
                message="the callable returns {found}, not one tensor",
                fix="Return only the features (or logits) from __call__, and the rest as outputs of the signatures.",
            )
        elif _differs(trace.outputs[""].shape.rank, ranks):
            wanted = " or ".join(f"{tensor} ({key})" for key, tensor in promised.items())
            message = "the callable returns {found}, the signatures {wanted}"
            yield Fault(Where(None, trace.name, None, "outputs"), str(trace.outputs[""]), wanted, message=message)


def task_of(context: Context, variant: Variant, key: str) -> str | None:
    """Return the task signature that has the same result as the default signature, by the graph."""
    default = variant.signatures[key]
    return next((task.key for task in _tasks(context, variant) if _same_tensors(context, variant, default, task)), None)


def _differs(rank: int | None, ranks: set[int | None]) -> bool:
    """Return whether a rank is known and is certainly none of these."""
    return rank is not None and bool(ranks) and not ranks & {rank, None}


def _separate_result(context: Context, variant: Variant, key: str, same: str | None) -> Iterator[CheckItem]:
    """Yield what follows if the default signature of a variant computes a result of its own.

    `same` is the task signature that has its result in inference.
    """
    tasks = _tasks(context, variant)
    default = variant.signatures[key]
    output = default.outputs.get(_DEFAULT) or next(iter(default.outputs.values()))
    others = {task.key: task.outputs[_DEFAULT] for task in tasks if _DEFAULT in task.outputs}
    where = Where(variant.name, None, key, "outputs", _DEFAULT if _DEFAULT in default.outputs else None)
    if others and not any(output.dtype == o.dtype and output.shape.compatible(o.shape) for o in others.values()):
        wanted = " or ".join(f"{tensor} ({name})" for name, tensor in others.items())
        yield Fault(where, str(output), wanted)
    elif same in others:
        message = "the default signature returns {found}; in inference it returns {wanted}"
        yield Fault(where, "a result of its own", f"that of {same}", message=message)
    elif others:
        yield Skip("the default signature computes its result separately from the task signatures", undecided=True)


def _same_tensors(context: Context, variant: Variant, default: Signature, task: Signature) -> bool:
    """Return whether a default and a task signature have the same result: one tensor, or wrappers of one function."""
    mine = default.outputs.get(_DEFAULT) or next(iter(default.outputs.values()), None)
    theirs = task.outputs.get(_DEFAULT)
    if mine is None or theirs is None or len(mine.components) != 1 or len(theirs.components) != 1:
        return False
    if mine.components == theirs.components:
        return _input_names(default) == _input_names(task)
    graph = context.analysis(variant).graph
    return origin(graph, mine.components[0], _input_names(default)) == origin(
        graph, theirs.components[0], _input_names(task)
    )


def _input_names(signature: Signature) -> dict[str, str]:
    return {part: f"input {key}" for key, tensor in signature.inputs.items() for part in tensor.components}
