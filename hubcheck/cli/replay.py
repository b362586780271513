"""`hubcheck replay`: repeat the calls of a module that a finding of `hubcheck validate` names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubcheck.cli import options
from hubcheck.cli.echo import echo
from hubcheck.cli.project import nearest_project
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_FINDINGS, EXIT_INCOMPLETE
from hubcheck.remote.sources import find_one_source, open_source
from hubcheck.rulebook.contract import load_contracts
from hubcheck.rulebook.convention import DEFAULT_CONVENTION, Convention
from hubcheck.util.folders import ensure_writable
from hubcheck.util.text import printable

if TYPE_CHECKING:
    from hubcheck.probe.devices import DeviceRequest
    from hubcheck.sandbox.policy import Mode


@click.command("replay")
@click.argument("path")
@click.option("--variant", metavar="TAGS", help="The variant, by its tags.  [default: inference]")
@click.option("--signature", metavar="NAME", help="Call this signature.")
@click.option("--trace", metavar="NAME", help='Call this trace of the callable: "training=True".')
@click.option("--loss", type=int, metavar="N", help="Call this regularization loss.")
@click.option("--session", is_flag=True, help="Load the module as TensorFlow Serving does.")
@click.option(
    "--calls", default="pictures", show_default=True, metavar="NAMES", help="Which calls, separated by commas."
)
@click.option("--device", type=options.DEVICES, default="cpu", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the images.")
@click.option("--larger-batch", type=click.IntRange(min=4), default=5, show_default=True, help="The largest batch.")
@click.option(
    "--timeout",
    type=options.SECONDS,
    metavar="SECONDS",
    default=180.0,
    show_default=True,
    help="How long the calls may take.",
)
@options.sandbox
@options.convention
@options.rules
@options.links_below
@options.save_evidence
def command(  # noqa: PLR0913 - one for each option
    path: str,
    *,
    variant: str | None,
    signature: str | None,
    trace: str | None,
    loss: int | None,
    session: bool,
    calls: str,
    device: DeviceRequest,
    seed: int,
    larger_batch: int,
    timeout: float,
    sandbox: Mode | None,
    convention: Convention | None,
    rules: Sequence[Path],
    links_below: Sequence[Path],
    save_evidence: Path | None,
) -> int:
    """Repeat calls of a module with the same images, and show what they return.

    \b
    hubcheck replay exports/m --signature image_feature_vector --calls pictures,swapped
    """
    from hubcheck.probe import evidence
    from hubcheck.probe.devices import cannot_run, select_devices
    from hubcheck.probe.options import ProbeOptions
    from hubcheck.probe.pool import Pool, ProbeError, SandboxUnavailable
    from hubcheck.probe.replay import CallRequest, describe, replay

    selection = select_devices(device)
    reason = cannot_run() or selection.missing
    if reason is not None:
        echo(f"cannot run the module: {reason}", err=True)
        return EXIT_INCOMPLETE
    project = nearest_project([path], rules, links_below=links_below)
    contracts = load_contracts(*project.rule_folders)
    request = CallRequest(variant, signature, trace, loss, session, tuple(calls.split(",")))
    chosen = convention or DEFAULT_CONVENTION
    probe = ProbeOptions(timeout=timeout, larger_batch=larger_batch, seed=seed)
    if save_evidence is not None:
        ensure_writable(save_evidence, "evidence", "--save-evidence")
    with open_source(find_one_source(path, project.fetch), project.fetch, to_run=True) as module:
        try:
            with Pool(jobs=1, sandbox=sandbox, devices=selection.devices) as pool:
                observations = replay(module, contracts, request, pool=pool, options=probe, convention=chosen)
        except (ProbeError, SandboxUnavailable) as error:
            echo(f"cannot run the module: {error}", err=True)
            return EXIT_INCOMPLETE
        for line in describe(observations):
            echo(line)
        if signature is None and trace is None and loss is None:
            echo("the module was only loaded: add --signature NAME, --trace NAME or --loss N to repeat a call")
        if save_evidence is not None:
            saved = evidence.save_evidence(save_evidence, module, contracts, observations, probe, convention=chosen)
            for file in saved:
                echo(f"wrote {printable(str(file))}")
    failed = any(load.failure for load in observations.loads) or any(run.failure for run in observations.runs)
    if failed:
        return EXIT_FINDINGS
    return EXIT_INCOMPLETE if observations.not_run else EXIT_CONFORMS
