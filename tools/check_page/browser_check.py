"""Check what is dropped on the page for the browser; its worker.js calls `check`, in Pyodide."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from hubcheck.engine.module_report import ModuleReport
from hubcheck.engine.reports import Report
from hubcheck.report.describe import display_name
from hubcheck.report.formats import render
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import modules_at, stream
from hubcheck.util.errors import UserError
from hubcheck.util.text import plural

_NOT_RUN = "not run: --static"
_WORST_FIRST = ("violates", "incomplete", "conforms")


def check(folder: str, on_progress: Callable[[int, int], object]) -> str:
    """Check the modules in a folder from their files; return JSON with the reports and what the page says of them.

    `on_progress` is called with the number of modules that are checked, and of all. If there is no module, "error" is
    all that is returned.
    """
    os.chdir(folder)
    try:
        # Names without a folder are what the user knows.
        names = sorted(entry.name for entry in Path().iterdir())
        plan = resolve(Options(static=True, details=True))
        modules = modules_at(names if len(names) == 1 else ["."], plan)
        reports: list[ModuleReport] = []
        for report in stream(modules, plan):
            reports.append(report)
            on_progress(len(reports), len(modules))
        return json.dumps(_shown(plan.report(reports)))
    except UserError as error:
        return json.dumps({"error": str(error)})
    finally:
        os.chdir("/")


def _shown(report: Report) -> dict[str, object]:
    verdicts = report.summary.verdicts
    worst = next(verdict for verdict in _WORST_FIRST if verdicts.get(verdict))
    counts = [f"{verdicts[verdict]} {display_name(verdict)}" for verdict in _WORST_FIRST if verdicts.get(verdict)]
    if len(report.modules) == 1:
        headline = f"{report.modules[0].path}: {display_name(worst)}, as far as its files show"
    else:
        headline = f"{len(report.modules)} modules: {', '.join(counts)}, as far as their files show"
    outcomes = [outcome for module in report.modules for outcome in module.outcomes]
    to_run = sorted({outcome.rule for outcome in outcomes if _NOT_RUN in (outcome.reason or "")})
    count = plural(len(to_run), "rule")
    return {
        "headline": headline,
        "verdict": worst,
        "to_run": to_run,
        "to_run_text": f"{count} need{'s' if len(to_run) == 1 else ''} TensorFlow, to run the module. Check with ",
        "html": render(report, "html"),
        "json": render(report, "json"),
    }
