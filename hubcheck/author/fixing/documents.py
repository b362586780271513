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


def keep_documents(module: Module, folder: Path, *, has_classes: bool) -> list[str]:
    """Copy the other files of a module, such as README.md and assets, into the folder of the rebuilt one.

    The text of its MODULE.md is put after the new one. Links that lead out of the module are left out.

    Args:
        has_classes: the rebuilt module has class labels of its own, in the place of the module's.

    Returns:
        A sentence for each file that is left out although it is not rebuilt.
    """
    links = {link.name for link in module.links}
    replaced = {f"assets/{asset.filename}" for asset in label_files(module)} if has_classes else set()
    left_out = []
    for name in module.files:
        source, target = module.folder / name, folder / name
        if name in _REBUILT or name in replaced or name.startswith("variables/"):
            continue
        if name in links or not source.is_file():
            reason = "it is a link out of the module" if name in links else "it is not a regular file"
            left_out.append(f"{name} was left out: {reason}")
        elif name == MODULE_MD:
            text = source.read_text(encoding="utf-8", errors="replace")
            with target.open("a", encoding="utf-8") as file:
                file.write(f"\n## What the module's MODULE.md said before\n\n{text}")
        elif not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return left_out
