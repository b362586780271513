"""hubcheck: author TensorFlow image modules, and check that a module follows the Common Signatures for Images.

    import hubcheck

    report = hubcheck.validate("exports/mobilenet_v2")
    report.raise_for_findings()

Names are imported when they are first used, so that `import hubcheck` costs nothing.
"""

from __future__ import annotations

from hubcheck._version import __version__ as __version__

TYPE_CHECKING = False  # that of `typing`, without its import
if TYPE_CHECKING:
    from typing import Any

    from hubcheck.checks.context import Context as Context
    from hubcheck.checks.faults import Checked as Checked
    from hubcheck.checks.faults import Fault as Fault
    from hubcheck.checks.faults import Skip as Skip
    from hubcheck.checks.faults import Where as Where
    from hubcheck.engine.findings import Finding as Finding
    from hubcheck.engine.module_report import ModuleReport as ModuleReport
    from hubcheck.engine.reports import FindingsError as FindingsError
    from hubcheck.engine.reports import Report as Report
    from hubcheck.module.locate import NotAModule as NotAModule
    from hubcheck.remote.sources import read as read
    from hubcheck.run.progress import Progress as Progress
    from hubcheck.run.validate import validate as validate
    from hubcheck.util.errors import Unreachable as Unreachable

_FILES = {
    "hubcheck.checks.context": ("Context",),
    "hubcheck.checks.faults": ("Checked", "Fault", "Skip", "Where"),
    "hubcheck.engine.findings": ("Finding",),
    "hubcheck.engine.module_report": ("ModuleReport",),
    "hubcheck.engine.reports": ("FindingsError", "Report"),
    "hubcheck.module.locate": ("NotAModule",),
    "hubcheck.remote.sources": ("read",),
    "hubcheck.run.progress": ("Progress",),
    "hubcheck.run.validate": ("validate",),
    "hubcheck.util.errors": ("Unreachable",),
}
_FILE_OF = {name: file for file, names in _FILES.items() for name in names}
_SUBPACKAGES = {"author", "hub", "testing"}

__all__ = ["Checked", "Context", "Fault", "Finding", "FindingsError", "ModuleReport", "NotAModule", "Progress"]
__all__ += ["Report", "Skip", "Unreachable", "Where", "read", "validate"]


def __getattr__(name: str) -> Any:
    import importlib

    if name in _FILE_OF:
        return getattr(importlib.import_module(_FILE_OF[name]), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"hubcheck.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
