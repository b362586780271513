"""MODULE.md: what a module's consumers must know, written from what the module is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hubcheck.author.builder import CLASSES, FEATURES, ImageModule
from hubcheck.module.types import Module, Tensor
from hubcheck.rulebook.contract import load_contracts

_SHOWN_CLASSES = 20


def document(module: ImageModule, default: str, written: Mapping[str, Module]) -> str:
    """The text, in Markdown.

    Args:
        default: the primary task's signature.
        written: the modules as they were read back, by format.
    """
    facts = next(iter(written.values()))
    height, width = module.image_size
    parts = [
        f"# {module.architecture}",
        module.description or _summary(module, facts),
        "## Images",
        f"Images of {height} x {width} pixels (height x width), three channels (RGB), values in [0, 1], any number at "
        "once: what `tf.image.decode_image` followed by `tf.image.convert_image_dtype(image, tf.float32)` and "
        f"`tf.image.resize(images, [{height}, {width}])` gives.",
        "## Signatures",
        _table(facts, default),
    ]
    if CLASSES in module.tasks:
        parts += ["## Classes", _classes(module, facts)]
    if hidden := _hidden(facts):
        parts += ["## Hidden outputs", hidden]
    parts += ["## How to use it", *_usage(module, default, written)]
    if module.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in module.notes)]
    return "\n\n".join(parts) + "\n"


def _summary(module: ImageModule, facts: Module) -> str:
    tasks = [f"{load_contracts()[name].title.lower()}" for name in module.tasks]
    entries = facts.checkpoint.entries.values() if facts.checkpoint else ()
    # Seeds and the object graph lie in the checkpoint too.
    weights = sum(entry.elements for entry in entries if "float" in entry.dtype)
    return f"{module.architecture} for {' and '.join(tasks)}, with {weights:,} weights."


def _signatures(facts: Module) -> Mapping[str, Mapping[str, Tensor]]:
    return {name: one.outputs for name, one in facts.inference.signatures.items()} if facts.inference else {}


def _table(facts: Module, default: str) -> str:
    rows = ["| signature | input | output `default` | |", "|---|---|---|---|"]
    assert facts.inference is not None
    for name, contract in load_contracts().items():
        if name in facts.inference.signatures:
            signature = facts.inference.signatures[name]
            inputs = ", ".join(f"`{key}`: {signature.inputs[key]}" for key in contract.inputs)
            told = "the default signature" if name == default else ""
            rows.append(f"| `{name}` | {inputs} | {signature.outputs['default']} | {told} |")
    return "\n".join(rows) + "\n\n`?` is any number of images."


def _classes(module: ImageModule, facts: Module) -> str:
    task = module.tasks[CLASSES]
    dims = _signatures(facts)[CLASSES]["default"].shape.dims
    width = dims[-1] if dims else None
    use = (
        f"The scores are logits, not probabilities; to use them, apply **{task.activation}**: it is not applied in the "
        "module."
        if task.activation
        else "The scores are logits; how to use them is not documented."
    )
    if not task.classes:
        return f"{use}\n\nThere are {width} classes; the module does not carry their names."
    names = "\n".join(f"{index}. {_escaped(name)}" for index, name in enumerate(task.classes[:_SHOWN_CLASSES]))
    more = f"\n\nand {width - _SHOWN_CLASSES} more." if width and width > _SHOWN_CLASSES else ""
    return (
        f"{use}\n\nClass index definition: the {width} lines of `assets/labels.txt`, in the order of the indices "
        f"from 0.\n\n{names}{more}"
    )


def _hidden(facts: Module) -> str:
    found = {
        key: tensor for outputs in _signatures(facts).values() for key, tensor in outputs.items() if key != "default"
    }
    rows = [f"| `{key}` | {tensor} |" for key, tensor in sorted(found.items())]
    return "\n".join(["| key | tensor |", "|---|---|", *rows]) if rows else ""


def _usage(module: ImageModule, default: str, written: Mapping[str, Module]) -> Iterable[str]:
    name = "features" if default == FEATURES else "logits"
    other = next((task for task in module.tasks if task != default), default)
    yield "In the words of the convention, on TensorFlow of today (`from hubcheck import hub`):"
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
        yield "With TensorFlow 2 alone (`training=True` updates batch normalisation and lets dropout inside act):"
        yield _code(
            "import tensorflow as tf",
            "",
            'module = tf.saved_model.load("path/to/module")',
            f"{name} = module(images)",
            f'outputs = module.signatures["{other}"](images=images)',
        )
    if "tf1-hub" in written:
        yield 'With the original library (tensorflow-hub up to 0.15; `tags={"train"}` is the graph for fine-tuning):'
        yield _code(
            "import tensorflow_hub as hub",
            "",
            'module = hub.Module("path/to/module", trainable=True, tags={"train"})',
            f"{name} = module(images)",
        )


def _code(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|" else char for char in text)
