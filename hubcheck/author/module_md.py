"""MODULE.md: the documentation that is written with a module, for its consumers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hubcheck.author.definition import CLASSES, FEATURES, LABELS, ModuleDefinition
from hubcheck.module.types import Module
from hubcheck.rulebook.contract import load_contracts

MODULE_MD = "MODULE.md"
_SHOWN_CLASSES = 20


def module_md(
    module: ModuleDefinition,
    default: str,
    written: Mapping[str, Module],
    *,
    training_effects: Sequence[str],
    notes: Sequence[str],
) -> str:
    """Return the documentation in Markdown.

    Args:
        default: the primary task's signature.
        written: by format, the modules as they were read back.
        training_effects: what training does that inference does not.
        notes: sentences about the module.
    """
    facts = next(iter(written.values()))
    assert facts.inference is not None
    contracts, signatures = load_contracts(), facts.inference.signatures
    outputs = [item for signature in signatures.values() for item in signature.outputs.items()]
    logits = signatures[CLASSES].outputs["default"] if CLASSES in module.tasks else None
    tasks = " and ".join(contracts[name].title.lower() for name in module.tasks)
    weights = sum(entry.elements for entry in facts.checkpoint.weights) if facts.checkpoint else 0
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["escaped"] = _escaped
    text = environment.get_template(f"{MODULE_MD}.j2").render(
        module=module,
        default=default,
        notes=notes,
        training=" and ".join(training_effects) or "computes the same",
        formats=written,
        height=module.image_size[0],
        width=module.image_size[1],
        summary=f"{module.architecture} for {tasks}, with {weights:,} weights.",
        contracts=contracts,
        signatures=signatures,
        classification=module.tasks.get(CLASSES),
        num_classes=logits.shape.dims[-1] if logits is not None and logits.shape.dims else None,
        labels=LABELS,
        shown_classes=_SHOWN_CLASSES,
        hidden=sorted((key, tensor) for key, tensor in dict(outputs).items() if key != "default"),
        result="features" if default == FEATURES else "logits",
        other=next((task for task in module.tasks if task != default), default),
    )
    return text.rstrip() + "\n"


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|" else char for char in text)
