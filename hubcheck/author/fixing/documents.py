"""The files of a module that are no part of its SavedModel: a rebuilt module keeps them."""

from __future__ import annotations

import shutil
from pathlib import Path

from hubcheck.author.module_md import MODULE_MD
from hubcheck.checks.classification import label_files
from hubcheck.module.types import Module

_REBUILT = frozenset(
    {"saved_model.pb", "saved_model.pbtxt", "saved_model.cpb", "tfhub_module.pb", "fingerprint.pb", "keras_metadata.pb"}
)


def keep_documents(module: Module, folder: Path, *, has_classes: bool) -> None:
    """Copy the other files of a module, such as README.md and assets, into the folder of the rebuilt one.

    The text of its MODULE.md is put after the new one. Of links that may be followed, the file is copied.

    Args:
        has_classes: the rebuilt module has class labels of its own, in the place of the module's.
    """
    refused = {link.name for link in module.links if link.refused}
    replaced = {f"assets/{asset.filename}" for asset in label_files(module)} if has_classes else set()
    for name in module.files:
        source, target = module.folder / name, folder / name
        if name in _REBUILT | replaced | refused or name.startswith("variables/") or not source.is_file():
            continue
        if name == MODULE_MD:
            text = source.read_text(encoding="utf-8", errors="replace")
            with target.open("a", encoding="utf-8") as file:
                file.write(f"\n## What the module's MODULE.md said before\n\n{text}")
        elif not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
