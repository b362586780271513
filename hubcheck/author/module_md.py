"""MODULE.md: the documentation that is written with a module, for its consumers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hubcheck.author.definition import CLASSES, FEATURES, LABELS, ModuleDefinition
from hubcheck.module.types import Module, Tensor
from hubcheck.rulebook.contract import load_contracts

MODULE_MD = "MODULE.md"
_SHOWN_CLASSES = 20


def module_md(module: ModuleDefinition, default: str, written: Mapping[str, Module]) -> str:
    """Return the documentation in Markdown.

    Args:
        default: the primary task's signature.
        written: by format, the modules as they were read back.
    """
    facts = next(iter(written.values()))
    assert facts.inference is not None
    outputs = {name: signature.outputs for name, signature in facts.inference.signatures.items()}
    height, width = module.image_size
    parts = [
        f"# {module.architecture}",
        module.description or _summary(module, facts),
        "## Images",
        f"Batches of any number of RGB images, float32 [batch, {height}, {width}, 3] (height {height}, width {width} "
        "pixels), values in [0, 1]. From an image file: `tf.image.decode_image`, then "
        f"`tf.image.convert_image_dtype(image, tf.float32)`, then `tf.image.resize(images, [{height}, {width}])`.",
        "## Signatures",
        *_signatures(facts, default),
    ]
    if CLASSES in module.tasks:
        parts += ["## Classes", *_classes(module, outputs[CLASSES]["default"])]
    hidden = {key: tensor for tensors in outputs.values() for key, tensor in tensors.items() if key != "default"}
    if hidden:
        parts += [
            "## Hidden outputs",
            _table("key", "tensor", rows=[(f"`{key}`", hidden[key]) for key in sorted(hidden)]),
        ]
    parts += ["## Usage", *_usage(module, default, written)]
    if module.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in module.notes)]
    return "\n\n".join(parts) + "\n"


def _summary(module: ModuleDefinition, facts: Module) -> str:
    tasks = " and ".join(load_contracts()[name].title.lower() for name in module.tasks)
    entries = facts.checkpoint.entries.values() if facts.checkpoint else ()
    # The checkpoint also contains seeds and the object graph.
    weights = sum(entry.elements for entry in entries if "float" in entry.dtype)
    return f"{module.architecture} for {tasks}, with {weights:,} weights."


def _signatures(facts: Module, default: str) -> Iterator[str]:
    assert facts.inference is not None
    rows = []
    for name, contract in load_contracts().items():
        if signature := facts.inference.signatures.get(name):
            inputs = ", ".join(f"`{key}`: {signature.inputs[key]}" for key in contract.inputs)
            remark = "the default signature" if name == default else ""
            rows.append((f"`{name}`", inputs, signature.outputs["default"], remark))
    yield _table("signature", "input", "output `default`", "", rows=rows)
    yield "`?` is the batch size: any number of images."


def _classes(module: ModuleDefinition, logits: Tensor) -> Iterator[str]:
    activation = module.tasks[CLASSES].activation
    width = logits.shape.dims[-1] if logits.shape.dims else None
    if activation:
        yield f"The scores are logits, not probabilities: apply **{activation}** to use them; the module does not."
    else:
        yield "The scores are logits; how to use them is not documented."
    if not module.classes:
        yield f"There are {width} classes; their names are not in the module."
        return
    yield f"Class index definition: line i of `assets/{LABELS}` is the name of class i, counted from 0; {width} lines."
    yield "\n".join(f"{index}. {_escaped(name)}" for index, name in enumerate(module.classes[:_SHOWN_CLASSES]))
    if len(module.classes) > _SHOWN_CLASSES:
        yield f"and {len(module.classes) - _SHOWN_CLASSES} more."


def _usage(module: ModuleDefinition, default: str, written: Mapping[str, Module]) -> Iterator[str]:
    name = "features" if default == FEATURES else "logits"
    other = next((task for task in module.tasks if task != default), default)
    yield "With hubcheck, on any TensorFlow 2, in either format:"
    yield _code(
        "from hubcheck import hub",
        "",
        'spec = hub.load_module_spec("path/to/module")',
        "height, width = hub.get_expected_image_size(spec)",
        "module = hub.Module(spec)",
        f"{name} = module(images)",
        f'outputs = module(dict(images=images), signature="{other}", as_dict=True)',
    )
    if "tf2" in written:
        yield "With TensorFlow 2 alone (`training=True` updates batch normalization and applies inner dropout):"
        yield _code(
            "import tensorflow as tf",
            "",
            'module = tf.saved_model.load("path/to/module")',
            f"{name} = module(images)",
            f'outputs = module.signatures["{other}"](images=images)',
        )
    if "tf1-hub" in written:
        yield 'With tensorflow-hub up to 0.15 (`tags={"train"}` selects the graph for fine-tuning):'
        yield _code(
            "import tensorflow_hub as hub",
            "",
            'module = hub.Module("path/to/module", trainable=True, tags={"train"})',
            f"{name} = module(images)",
        )


def _table(*columns: str, rows: Sequence[tuple[object, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _code(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|" else char for char in text)
