"""Write a module beside its target, read it back, check it, and put it in place if it conforms."""

from __future__ import annotations

import gzip
import os
import tarfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hubcheck.author.definition import ModuleDefinition
from hubcheck.author.errors import AuthorWarning, ConformanceError, missing_tensorflow
from hubcheck.author.module_md import MODULE_MD, module_md
from hubcheck.engine.findings import Finding
from hubcheck.module.locate import is_module
from hubcheck.remote.sources import read
from hubcheck.run.validate import validate
from hubcheck.util.atomic import commit, staging

FORMATS = ("tf2", "tf1-hub")
_REMEDIES = {
    "image-input/value-range": "If the model takes such pixels, pass pixels=(0, 255), or multiply the images by 255.",
}
"""What to do about a rule in the description of a module, where that differs from what the rule says."""
Check = Callable[[Path, list[Path]], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What `export` wrote: the folder of each module by format, and the archives.

    `notes` say what was changed to make the module conform; `findings` are the warnings and notes of the rules.
    """

    path: Path
    modules: dict[str, Path]
    archives: tuple[Path, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"<ExportResult {str(self.path)!r} {', '.join(self.modules)}, findings={len(self.findings)}>"

    def _repr_html_(self) -> str:
        from hubcheck.report.notebook import table

        rows = [
            *((name, str(folder)) for name, folder in self.modules.items()),
            ("archives", list(map(str, self.archives))),
            ("notes", self.notes),
            ("findings", [f"{one.level} {_told(one)}" for one in self.findings]),
        ]
        return table(f"Exported to {self.path}", rows)


def export_module(
    module: ModuleDefinition,
    path: Path,
    *,
    default: str,
    formats: tuple[str, ...],
    package: bool,
    probe: bool,
    overwrite: bool,
    tf1_compat: bool,
    check: Check | None = None,
) -> ExportResult:
    """Do what ImageModule.export describes, with checked arguments.

    Args:
        check: called, instead of the usual check, with the folder to be put in place and those of the modules in it;
            returns the findings, and raises an error if the folder must not be put in place.
    """
    target = Path(os.path.abspath(path))  # noqa: PTH100 (a link at the target is replaced, not followed)
    both = len(formats) > 1
    archives = {
        name: target.parent / f"{target.name}{f'-{name}' if both else ''}.tar.gz" for name in formats if package
    }
    for file in (target, *archives.values()):
        _check_replaceable(file, overwrite)
    with staging(target) as stage:
        new = stage / target.name
        folders = {name: new / name if both else new for name in formats}
        effects, notes = _write(module, default, folders, tf1_compat)
        written = {name: read(folder) for name, folder in folders.items()}
        text = module_md(module, default, written, training_effects=effects, notes=[*module.notes, *notes])
        (new / MODULE_MD).write_text(text, encoding="utf-8")
        modules_there = list(folders.values())
        findings = check(new, modules_there) if check is not None else _check(target, modules_there, probe)
        for name, archive in archives.items():
            _pack(folders[name], stage / archive.name)
        commit(new, target, replace=overwrite)
        for archive in archives.values():
            commit(stage / archive.name, archive, replace=overwrite)
    modules = {name: target / folder.relative_to(new) for name, folder in folders.items()}
    return ExportResult(path, modules, tuple(archives.values()), (*module.notes, *notes), findings)


def _write(
    module: ModuleDefinition, default: str, folders: dict[str, Path], tf1_compat: bool
) -> tuple[list[str], list[str]]:
    """Write the module in every format; return what training does that inference does not, and notes."""
    try:
        from hubcheck.author.writers import tf1_hub, tf2_saved_model
        from hubcheck.author.writers.tracing import TracedModule
    except ImportError as error:
        raise missing_tensorflow(error) from error
    traced = TracedModule(module, default)
    notes = traced.notes()
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        if name == "tf2":
            tf2_saved_model.write(traced, folder)
        else:
            notes += tf1_hub.write(traced, folder, tf1_compat=tf1_compat)
    return traced.training_effects(), notes


def _check(target: Path, folders: list[Path], probe: bool) -> tuple[Finding, ...]:
    """Check what was written, warn of what is no error, and return the findings.

    Raises:
        ConformanceError: a rule failed at level error.
    """
    report = validate(folders, static=not probe)
    failures = [finding for one in report.modules for finding in one.failures]
    if failures:
        raise ConformanceError(target, failures)
    messages = [_told(one) for one in report.findings if one.level != "note"]
    for outcome in (outcome for one in report.modules for outcome in one.outcomes):
        if outcome.status == "broken" or not outcome.complete:
            reason = (outcome.reason or "").strip().splitlines()
            messages.append(f"{outcome.rule} could not be checked: {reason[-1] if reason else outcome.status}")
    for text in dict.fromkeys(messages):
        warnings.warn(text, AuthorWarning, stacklevel=4)
    return report.findings


def _told(finding: Finding) -> str:
    return f"{finding.rule}: {finding.message.rstrip('.')}. {_REMEDIES.get(finding.rule, finding.fix)}"


def _check_replaceable(path: Path, overwrite: bool) -> None:
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise FileExistsError(f"{path} exists: choose another path, or pass overwrite=True to replace it")
    if path.name.endswith(".tar.gz") or path.is_symlink() or is_module(path):
        return
    names = [child.name for child in sorted(path.iterdir())] if path.is_dir() else [path.name]
    if other := next((name for name in names if name not in (*FORMATS, MODULE_MD)), None):
        raise FileExistsError(f"{path} is not a module (it contains {other}): overwrite=True replaces only modules")


def _pack(module: Path, archive: Path) -> None:
    """Pack the files of a module's folder, with the folder as the archive's root and without MODULE.md.

    Names are sorted; owners, times and modes are fixed, so that the same module is always packed to the same bytes.
    """
    with (
        archive.open("xb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(module.rglob("*")):
            if path != module / MODULE_MD:
                tar.add(path, path.relative_to(module).as_posix(), recursive=False, filter=_normalized)


def _normalized(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode = 0o755 if info.isdir() else 0o644
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info
