"""A project whose report has everything that formats show: all levels, skipped and suppressed rules, notices."""

from __future__ import annotations

import shutil
from pathlib import Path

import hubcheck
from tests.paths import DATA

CONFIG = """
[scripts]
"modules/batch" = "publish/batch.py"

[levels]
"classification/documentation" = "warning"

[[ignore]]
rules = ["image-input/name"]
path = "modules/named"
reason = "Consumers | still *call* it so, until 2.0."

[[xfail]]
rules = ["output/key-prefix"]
path = "modules/named"
reason = "not so any more"
"""

MODULES = {
    "good": "a_good_feature_vector",
    "classes": "b_good_classification",
    "dropout": "c_dropout_on_features_train",
    "batch": "e_fixed_batch_1",
    "named": "g_input_named_inputs",
    "a <b> & `c`, 100%: | é": "e_fixed_batch_1",
}


def project(folder: Path) -> Path:
    """Make a checkout with modules and a configuration."""
    (folder / ".git").mkdir(parents=True)
    (folder / "hubcheck.toml").write_text(CONFIG, encoding="utf-8")
    for name, source in MODULES.items():
        shutil.copytree(DATA / source, folder / "modules" / name)
    return folder


def report(folder: Path) -> hubcheck.Report:
    """Return the static report of `project(folder)`."""
    return hubcheck.validate(folder / "modules", static=True, config=folder / "hubcheck.toml")
