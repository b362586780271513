"""What a module documents about its classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from hubcheck.checks.context import Context
from hubcheck.checks.faults import Checked, CheckItem, Fault, Skip
from hubcheck.checks.judged import where_of
from hubcheck.module.types import Asset, Module
from hubcheck.rulebook.interfaces import Interface
from hubcheck.util.text import plural

_LABELS = r"(?i)label|class|categor|synset"
_LINE_FORMATS = {"", ".txt", ".names", ".lst"}
_ACTIVATION = r"(?i)softmax|sigmoid|logistic|activation"
_CLASSES = (
    r"(?i)\blabels?\b|\bclass(es)?[ _-](names?|ind(ex|ices)|definitions?|list|map)\b|\btaxonomy\b|\bsynsets?\b"
    r"|\b(imagenet|ilsvrc|wordnet|cifar|coco\b|e?mnist|inaturalist|places-?365|open ?images)"
    r"|\b(classes|categories)\b.*(\bare\b|\bis\b|:)"
)
_FIX_ACTIVATION = "Say in {document} whether the logits are meant for softmax, for sigmoid or for neither."
_FIX_CLASSES = (
    "Ship a labels asset, or say in {document} what the class indices mean: list the names, or link a definition."
)


def labels(context: Context, *, signature: str) -> Iterator[CheckItem]:
    """A labels asset has one line for each class."""
    found = _classification(context, signature)
    assets = _labels_assets(context.module)
    if found is None or not assets:
        yield Skip(f"the module has no {signature}" if found is None else "the module has no labels asset")
        return
    output = found.signature.outputs.get("default")
    dims = output.shape.dims if output is not None else None
    width = dims[-1] if dims is not None and len(dims) == 2 else None
    counted = label_files(context.module)
    if width is None or not counted:
        reason = "the number of classes is unknown" if width is None else "the labels are not stored one per line"
        yield Skip(reason)
        return
    yield Checked()
    if all(asset.lines != width for asset in counted):
        asset = counted[0]
        where = where_of(found, "outputs", "default")
        yield Fault(where, f"{plural(asset.lines or 0, 'line')} in assets/{asset.filename}", f"{width}, one per class")


def documentation(context: Context, *, signature: str) -> Iterator[CheckItem]:
    """A labels asset defines the classes, or a document names the activation and the definition of the classes."""
    classification = _classification(context, signature)
    if classification is None:
        yield Skip(f"the module has no {signature}")
        return
    yield Checked()
    if _labels_assets(context.module):
        return
    documents = context.module.documents
    where = where_of(classification)
    names = ", ".join(documents)
    wanted = {
        "the activation": (_ACTIVATION, _FIX_ACTIVATION),
        "the definition of the classes": (_CLASSES, _FIX_CLASSES),
    }
    texts = documents.values()
    missing = [name for name, (pattern, _) in wanted.items() if not any(re.search(pattern, text) for text in texts)]
    if len(missing) == 1:
        message = f"the documentation lacks {missing[0]}: {names}"
        yield Fault(
            where, names, missing[0], message=message, fix=wanted[missing[0]][1].format(document=next(iter(documents)))
        )
    elif missing:
        found = f"neither is in {names}" if names else "no labels asset, no MODULE.md, no README.md"
        yield Fault(where, found, " and ".join(missing))


def label_files(module: Module) -> list[Asset]:
    """Return the labels assets of a module that store one label in each line."""
    return [
        asset
        for asset in _labels_assets(module)
        if PurePosixPath(asset.filename).suffix in _LINE_FORMATS and asset.lines is not None
    ]


def _classification(context: Context, name: str) -> Interface | None:
    return next((each for each in context.judged() if each.contract.name == name), None)


def _labels_assets(module: Module) -> list[Asset]:
    assets = {asset.filename: asset for variant in module.variants for asset in variant.assets}
    return [asset for name, asset in assets.items() if re.search(_LABELS, PurePosixPath(name).name)]
