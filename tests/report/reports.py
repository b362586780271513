"""A project whose report has everything that formats show: all levels, skipped and suppressed rules, notices."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import hubcheck
from hubcheck.checks.faults import Node, Where
from hubcheck.engine.details import DiagramStep, Histogram, ImageOutput, InputImage, ModuleDetails, SignatureDetails
from hubcheck.engine.findings import Finding
from hubcheck.engine.reports import summarize
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


HOSTILE = """</title></style></script>"'><script>alert(1)</script>{{ 7 * 7 }}<img src=x onerror=alert(2)>"""


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


def hostile(detailed: hubcheck.Report, count: int = 2) -> hubcheck.Report:
    """A report in which every text that a module can choose is markup; of many modules, the cards are packed."""
    where = Where(HOSTILE, None, HOSTILE, "inputs", HOSTILE, Node(HOSTILE, HOSTILE, HOSTILE))
    module = next(module for module in detailed.modules if module.suppressed)
    finding = Finding("some/rule", "error", where, *(HOSTILE,) * 4, "")
    step = DiagramStep(0, HOSTILE, HOSTILE, HOSTILE, (HOSTILE, finding.brief), (HOSTILE,))
    tensors = ((HOSTILE, HOSTILE),)
    details = ModuleDetails(
        (SignatureDetails(HOSTILE, HOSTILE, None, tensors, tensors, (step,)),),
        (Histogram(HOSTILE, HOSTILE, 0.0, 1.0, (1, 2), 0.5),),
        (InputImage(HOSTILE, b"", (ImageOutput(HOSTILE, 0.0, 1.0, 0.5, ((HOSTILE, 1.0),)),)),),
    )
    modules = [
        replace(
            module,
            path=f"/{HOSTILE}",
            key=HOSTILE,
            findings=(finding,),
            suppressed=tuple(replace(item, reason=HOSTILE) for item in module.suppressed),
            outcomes=tuple(replace(outcome, reason=HOSTILE) for outcome in module.outcomes),
            devices=tuple(replace(device, ran=False, reason=HOSTILE) for device in module.devices),
            details=details,
        )
    ] * count
    return replace(detailed, modules=modules, summary=summarize(modules), notices=(HOSTILE,), incomplete=HOSTILE)
