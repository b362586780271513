"""Write, read back, check, and only then put in place."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from hubcheck.author import package as packages
from hubcheck.author.builder import ImageModule
from hubcheck.author.documentation import document
from hubcheck.author.errors import AuthorWarning, ConformanceError, without_tensorflow
from hubcheck.author.transaction import commit, staging
from hubcheck.engine.findings import Finding
from hubcheck.module.locate import is_module
from hubcheck.remote.sources import read
from hubcheck.run.validate import validate


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: each module's folder by format, and the archives.

    `notes` are what was done to make it conform; `findings` the warnings and notes that are left.
    """

    path: Path
    modules: dict[str, Path]
    archives: tuple[Path, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


def export(
    module: ImageModule,
    path: Path,
    *,
    default: str,
    formats: tuple[str, ...],
    package: bool,
    probe: bool,
    overwrite: bool,
    tf1_compat: bool,
) -> Export:
    """See ImageModule.export."""
    target = Path(os.path.abspath(path))  # noqa: PTH100 (a link at the target is replaced, not followed)
    archives = _archives(target, formats) if package else {}
    for place in (target, *archives.values()):
        _may_write(place, formats, overwrite)
    with staging(target) as stage:
        new = stage / target.name
        folders = {name: new / name if len(formats) > 1 else new for name in formats}
        _write(module, default, folders, tf1_compat)
        new_document = document(module, default, {name: read(folder) for name, folder in folders.items()})
        (new / packages.DOCUMENT).write_text(new_document, encoding="utf-8")
        findings = _check(target, list(folders.values()), probe)
        packed = {name: stage / archive.name for name, archive in archives.items()}
        for name, archive in packed.items():
            packages.pack(folders[name], archive)
        commit(new, target, replace=overwrite)
        for name, archive in packed.items():
            commit(archive, archives[name], replace=overwrite)
    return Export(
        path,
        {name: target / folder.relative_to(new) for name, folder in folders.items()},
        tuple(archives.values()),
        tuple(module.notes),
        findings,
    )


def _write(module: ImageModule, default: str, folders: dict[str, Path], tf1_compat: bool) -> None:
    try:
        from hubcheck.author.tracing import Program
    except ImportError as error:
        raise without_tensorflow(error) from error
    program = Program(module, default)
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        if name == "tf2":
            from hubcheck.author import tf2_writer

            tf2_writer.write(program, folder)
        else:
            from hubcheck.author import tf1_writer

            tf1_writer.write(program, folder, tf1_compat=tf1_compat)


def _check(target: Path, folders: list[Path], probe: bool) -> tuple[Finding, ...]:
    """Hold what was written against the rules; the findings that are no errors.

    Raises:
        ConformanceError: an error was found.
    """
    report = validate(folders, static=not probe)
    failures = [finding for one in report.modules for finding in one.failures]
    if failures:
        raise ConformanceError(target, failures)
    warned = [finding for finding in report.findings if finding.level != "note"]
    said = [f"{finding.rule}: {finding.message} {finding.fix}" for finding in warned]
    for one in report.modules:
        for outcome in one.outcomes:
            if outcome.status == "broken" or not outcome.complete:
                reason = (outcome.reason or "").strip().splitlines()
                said.append(f"{outcome.rule} could not be checked: {reason[-1] if reason else outcome.status}")
    for text in dict.fromkeys(said):
        warnings.warn(text, AuthorWarning, stacklevel=4)
    return report.findings


def _archives(target: Path, formats: tuple[str, ...]) -> dict[str, Path]:
    return {
        name: target.parent / (f"{target.name}-{name}.tar.gz" if len(formats) > 1 else f"{target.name}.tar.gz")
        for name in formats
    }


def _may_write(place: Path, formats: tuple[str, ...], overwrite: bool) -> None:
    if not os.path.lexists(place):
        return
    if not overwrite:
        raise FileExistsError(f"{place} exists: give another path, or overwrite=True to replace it")
    if place.name.endswith(".tar.gz") or place.is_symlink() or is_module(place):
        return
    strange = [child.name for child in sorted(place.iterdir())] if place.is_dir() else [place.name]
    if any(name not in (*formats, "tf2", "tf1-hub", packages.DOCUMENT) for name in strange):
        raise FileExistsError(f"{place} is no module ({strange[0]} is there): overwrite=True replaces only modules")
