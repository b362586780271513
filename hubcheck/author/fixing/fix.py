"""fix: make a conforming module of one that does not conform."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubcheck.author.builder import ImageModule
from hubcheck.author.errors import AuthorError
from hubcheck.author.export import export_module
from hubcheck.author.fixing.documents import keep_documents
from hubcheck.author.fixing.options import NO_OPTIONS, FixOptions
from hubcheck.author.fixing.proof import prove
from hubcheck.author.fixing.rebuild import compared_outputs, rebuild, source_inputs, trains
from hubcheck.author.fixing.training_proof import prove_training
from hubcheck.author.fixing.twin import twin
from hubcheck.author.fixing.verdict import judge
from hubcheck.author.sources.files import architecture_after
from hubcheck.checks.context import Context
from hubcheck.checks.fixing.fixable import fixes
from hubcheck.checks.fixing.plan import FixPlan, fix_plan
from hubcheck.checks.fixing.tasks import Obstacle
from hubcheck.engine.evaluation import evaluate
from hubcheck.engine.findings import Finding
from hubcheck.engine.fixable import forbids_runs
from hubcheck.module.limits import LIMITS
from hubcheck.module.links import LinkPolicy
from hubcheck.module.types import Module
from hubcheck.module.uri import Uri
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.sources import find_one_source, named_folders, open_source, read
from hubcheck.rulebook.contract import load_contracts
from hubcheck.rulebook.rules import load_rules

if TYPE_CHECKING:
    from hubcheck.sandbox.policy import Mode

Inspect = Callable[[Module, Module], bool]
"""Takes the source and the proven result; returns whether to put the latter in place."""


@dataclass(frozen=True, slots=True)
class FixResult:
    """What `fix` did.

    Attributes:
        path: the module that was written; None if none was.
        fixed: the findings of the source that the result does not have.
        remaining: the findings of the result; if nothing was made, those of the source.
        inferred: what was inferred about the module, each with the argument by which it can be given instead.
        changes: what was changed, as MODULE.md says it.
        difference: how far outputs of the two modules were apart at most, as a share of an output's largest value.
        reason: why nothing was made.
    """

    path: Path | None = None
    fixed: tuple[Finding, ...] = ()
    remaining: tuple[Finding, ...] = ()
    inferred: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    difference: float = 0.0
    reason: str = ""


def fix(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    options: FixOptions = NO_OPTIONS,
    in_place: bool = False,
    overwrite: bool = False,
    format: str | None = None,
    sandbox: Mode | None = None,
    inspect: Inspect | None = None,
) -> FixResult:
    """Make a conforming module of one that does not conform, and prove by runs that both compute the same.

    What the findings ask for is taken from the module's graph as far as that tells it; `options` give it instead. The
    result is written only if its outputs equal those of the module for the same images, apart from the changes that
    MODULE.md states, and if it has none of the findings that it was made for, and no error that the module lacks.

    Args:
        path: the module, a folder or an archive.
        target: the folder to write; by default beside the module, with "_fixed" after its name.
        options: what is given about the module.
        in_place: replace the module's folder, atomically.
        overwrite: replace a module at `target`, atomically.
        format: "tf2" or "tf1-hub"; by default that of the module, and "tf2" for TF1 SavedModels.
        sandbox: how the runs that compare both modules are isolated, as for `validate`.
        inspect: takes the module and the proven result before that is put in place; False removes it instead.

    Returns:
        What was fixed and what remains. If nothing can be fixed, nothing is written, and `reason` says why.

    Raises:
        AuthorError: an argument is not usable; or the result is not proven, and was not written.
        FileExistsError: there is something at the target.
    """
    if in_place and target is not None:
        raise AuthorError("in_place=True replaces the module itself: leave the target out")
    fetch = FetchOptions(LIMITS, None, LinkPolicy(named=named_folders([path])))
    place = find_one_source(path, fetch)
    if isinstance(place, Uri):
        raise AuthorError(f"{place} is on a server: download the module first")
    with open_source(place, fetch, to_run=True) as module:
        if in_place and module.archive is not None:
            raise AuthorError(f"{place} is an archive, which cannot be replaced: unpack it, or give a target")
        folder = Path(target) if target is not None else place.resolve() if in_place else _beside(place)
        context = Context(module, load_contracts())
        findings = evaluate(context, load_rules()).without_run("", complete=True).findings
        try:
            if forbidden := [finding.rule for finding in findings if forbids_runs(finding)]:
                raise Obstacle(f"{forbidden[0]} failed, so the module is not run")
            plan = fix_plan(context, options.choices)
        except Obstacle as obstacle:
            return FixResult(remaining=findings, reason=str(obstacle))
        fixed = tuple(one for one in findings if fixes(context, plan, one.rule, one.where))
        if not fixed:
            return FixResult(remaining=findings, reason="none of the findings can be fixed" if findings else "")
        fixer = _Fixer(place, module, plan, options, findings, fixed, sandbox, inspect)
        try:
            return fixer.write(folder, format=format or _format(module), overwrite=overwrite or in_place)
        except AuthorError as error:
            return FixResult(remaining=findings, inferred=plan.inferred, reason=str(error))


class _NotWanted(Exception):
    """The result is not to be put in place."""


@dataclass
class _Fixer:
    """One module on its way to a conforming one."""

    source: Path
    module: Module
    plan: FixPlan
    options: FixOptions
    findings: Sequence[Finding]
    fixed: Sequence[Finding]
    sandbox: Mode | None
    inspect: Inspect | None

    def write(self, target: Path, *, format: str, overwrite: bool) -> FixResult:
        """Build the module, prove it, judge it, and put it in place.

        Raises:
            AuthorError: one of the first three failed.
        """
        architecture = self.plan.architecture or architecture_after(self.source)
        try:
            built = rebuild(self.module, self.plan, architecture, self.options)
        except (AuthorError, MemoryError):
            raise
        except Exception as error:  # TensorFlow raises whatever it likes for a graph that it cannot load or trace
            reason = (str(error).strip().splitlines() or [""])[0]
            raise AuthorError(f"the module cannot be rebuilt: {type(error).__name__}: {reason}") from error
        differences: list[float] = []

        def check(new: Path, folders: list[Path]) -> tuple[Finding, ...]:
            differences.append(self._prove(built, folders[0]))
            keep_documents(self.module, new, has_classes=bool(built.classes))
            remaining = self._judge(folders[0])
            if self.inspect is not None and not self.inspect(self.module, read(folders[0])):
                raise _NotWanted(remaining)
            return remaining

        path: Path | None = None
        remaining: tuple[Finding, ...] = ()
        try:
            written = export_module(
                built,
                target,
                default=self.plan.default,
                formats=(format,),
                package=False,
                probe=True,
                overwrite=overwrite,
                tf1_compat=False,
                check=check,
            )
            path, remaining = written.path, written.findings
        except _NotWanted as reason:
            (remaining,) = reason.args
        left = {finding.rule for finding in remaining}
        fixed = tuple(finding for finding in self.findings if finding.rule not in left)
        return FixResult(path, fixed, remaining, self.plan.inferred, tuple(built.notes), differences[0])

    def _prove(self, built: ImageModule, folder: Path) -> float:
        """Return how far the outputs of the rebuilt module are from those of the source."""
        inputs = source_inputs(self.module, self.plan, built, self.options)
        outputs = compared_outputs(self.plan, built, self.options)
        result = read(folder)
        with tempfile.TemporaryDirectory(prefix="hubcheck-twin-") as copies:
            pinned = any(one.rule == "device/pinned" for one in self.fixed)
            source = twin(self.module, Path(copies)) if pinned else self.module
            apart = prove(source, result, inputs, outputs, sandbox=self.sandbox)
        if trains(built, self.plan):
            output = next(one for one in outputs if (one.new_signature, one.new_key) == (self.plan.default, "default"))
            prove_training(self.module, result, inputs[output.signature], output, sandbox=self.sandbox)
        return apart

    def _judge(self, folder: Path) -> tuple[Finding, ...]:
        """Return the findings of the rebuilt module."""
        kept = {finding.rule for finding in self.findings if finding not in self.fixed}
        return judge(self.source, folder, self.findings, {finding.rule for finding in self.fixed} - kept)


def _format(module: Module) -> str:
    return "tf1-hub" if module.format == "tf1-hub" else "tf2"


def _beside(path: Path) -> Path:
    """Return a folder beside the module."""
    name = path.absolute().name
    for suffix in (".tar.gz", ".tgz", ".zip"):
        name = name.removesuffix(suffix)
    return path.absolute().with_name(f"{name}_fixed")
