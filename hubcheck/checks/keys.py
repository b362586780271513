"""The names of inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip, Where
from hubcheck.checks.judged import nothing_judged
from hubcheck.checks.tensors import subject
from hubcheck.module.types import Signature, Variant
from hubcheck.rulebook.contract import contracted_inputs

_PREFIXED = r"[A-Za-z][\w.-]*(/[^/]+)+"


def input_name(context: Context) -> Iterator[CheckItem]:
    """The contract's inputs have the names of the contract."""
    for variant, signature, contract in context.common_signatures():
        found = contracted_inputs(signature, contract)
        for key, promised in contract.inputs.items():
            yield Checked()
            if key not in signature.inputs:
                name = found[key][0] if key in found else None
                yield Fault(
                    Where(variant.name, None, signature.key, "inputs", name),
                    _quoted([name] if name is not None else signature.inputs) or "no input",
                    f'"{key}"',
                    {"tensor": subject("inputs", promised)},
                    fix=f'Name the argument of the exported function "{key}".' if promised.own else None,
                    source=promised.source,
                )
    yield _no_names(context)


def sole_input(context: Context) -> Iterator[CheckItem]:
    """A caller has to feed only the contract's inputs. TensorFlow insists on those with a default value, too."""
    for variant, signature, contract in context.common_signatures():
        yield Checked()
        known = {*contract.inputs, *(name for name, _ in contracted_inputs(signature, contract).values())}
        others = [name for name in signature.inputs if name not in known]
        if others and len(signature.inputs) > len(contract.inputs):
            where = Where(variant.name, None, signature.key, "inputs", others[0] if len(others) == 1 else None)
            source = next(iter(contract.inputs.values())).source
            wanted = f"{_quoted(contract.inputs)} alone"
            yield Fault(where, _quoted(signature.inputs), wanted, {"others": _quoted(others)}, source=source)
    yield _no_names(context)


def contracted_outputs(context: Context) -> Iterator[CheckItem]:
    """Every output of the contract is among the signature's outputs."""
    for variant, signature, contract in context.common_signatures():
        yield Checked()
        for key, promised in contract.outputs.items():
            if key not in signature.outputs:
                where = Where(variant.name, None, signature.key, "outputs", key)
                found, fix = _quoted(signature.outputs) or "no output", None
                if promised.own:
                    fix = f'Return a dict with the key "{key}" from the exported function.'
                yield Fault(where, found, f'"{key}" among them', {"key": key}, fix=fix, source=promised.source)
    yield _no_names(context)


def key_prefix(context: Context) -> Iterator[CheckItem]:
    """Other outputs are named "Architecture/layer", with one architecture in the whole module."""
    found: dict[str, Where] = {}
    for variant, signature, allowed in _signatures(context):
        yield Checked()
        if len(signature.outputs) == 1:
            continue  # The only output is the result, even under a wrong name.
        for key in signature.outputs:
            if key not in allowed:
                found.setdefault(key, Where(variant.name, None, signature.key, "outputs", key))
    yield _no_names(context)
    prefixes: dict[str, Where] = {}
    for key, where in found.items():
        if re.fullmatch(_PREFIXED, key):
            prefixes.setdefault(key.partition("/")[0], where)
        else:
            yield Fault(where, f'"{key}"', '"Architecture/layer"', {"key": key})
    if len(prefixes) > 1:
        where = list(prefixes.values())[1]
        message = "the outputs have more than one architecture name: {found}"
        yield Fault(where, _quoted(sorted(prefixes)), "one name in the whole module", message=message)


def _signatures(context: Context) -> Iterator[tuple[Variant, Signature, set[str]]]:
    for variant, signature, contract in context.common_signatures():
        yield variant, signature, set(contract.outputs)
    if not any(context.common_signatures()):
        return
    for variant in context.module.variants:
        default = variant.signatures.get(context.module.default_signature)
        if default is not None and default.key not in context.contracts and len(default.outputs) > 1:
            named = {
                key for name in variant.signatures.keys() & context.contracts for key in context.contracts[name].outputs
            }
            yield variant, default, {"default", *named}


def _no_names(context: Context) -> Skip:
    if context.judged():
        return Skip("the callable takes the images as its first argument and returns one result, whatever their names")
    return nothing_judged(context)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
