"""`hubcheck replay`: some calls of a module once more, as a finding of `hubcheck validate` names them."""

from __future__ import annotations

from pathlib import Path

import click

from hubcheck.config.file import limits_at_hand
from hubcheck.config.rule_folders import folders_at_hand
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_FINDINGS, EXIT_INCOMPLETE
from hubcheck.remote.fetch_options import FetchOptions
from hubcheck.remote.sources import find_one_source, open_source
from hubcheck.rulebook.contract import load_contracts
from hubcheck.util.text import printable


@click.command("replay")
@click.argument("path")
@click.option("--variant", metavar="TAGS", help="The variant, by its tags.  [default: inference]")
@click.option("--signature", metavar="NAME", help="Call this signature.")
@click.option("--trace", metavar="NAME", help='Call this trace of the callable: "training=True".')
@click.option("--loss", type=int, metavar="N", help="Call this regularization loss.")
@click.option("--session", is_flag=True, help="Load it as TensorFlow Serving does.")
@click.option("--calls", default="pictures", show_default=True, metavar="NAMES", help="Which calls, by commas.")
@click.option("--device", type=click.Choice(["cpu", "gpu", "auto", "all"]), default="cpu", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the pictures.")
@click.option("--larger-batch", type=click.IntRange(min=4), default=5, show_default=True, help="The largest batch.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=180.0,
    show_default=True,
    help="Seconds that it may take.",
)
@click.option("--sandbox", type=click.Choice(["required", "auto", "off"]), default="auto", show_default=True)
@click.option("--rules", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--save-evidence", "evidence", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
def command(
    path: str,
    *,
    variant: str | None,
    signature: str | None,
    trace: str | None,
    loss: int | None,
    session: bool,
    calls: str,
    device: str,
    seed: int,
    larger_batch: int,
    timeout: float,
    sandbox: str,
    folders: tuple[Path, ...],
    evidence: Path | None,
) -> int:
    """Call a module once more, with the same pictures, and show what came back.

    \b
    hubcheck replay exports/m --signature image_feature_vector --calls pictures,swapped
    """
    from hubcheck.probe.devices import cannot_run, select_devices
    from hubcheck.probe.evidence import save_evidence
    from hubcheck.probe.options import ProbeOptions
    from hubcheck.probe.pool import Pool, ProbeError, SandboxUnavailable
    from hubcheck.probe.replay import CallRequest, describe, replay

    selection = select_devices(device)  # type: ignore[arg-type]
    reason = cannot_run() or selection.missing
    if reason is not None:
        click.echo(f"cannot run it: {reason}", err=True)
        return EXIT_INCOMPLETE
    contracts = load_contracts(*folders_at_hand(folders))
    wanted = CallRequest(variant, signature, trace, loss, session, tuple(calls.split(",")))
    options = ProbeOptions(timeout=timeout, larger_batch=larger_batch, seed=seed)
    fetch = FetchOptions.with_user_cache(limits_at_hand())
    with open_source(find_one_source(path, fetch), fetch) as module:
        try:
            with Pool(jobs=1, sandbox=sandbox, devices=selection.devices) as pool:  # type: ignore[arg-type]
                seen = replay(module, contracts, wanted, pool=pool, options=options)
        except (ProbeError, SandboxUnavailable) as error:
            click.echo(f"cannot run it: {error}", err=True)
            return EXIT_INCOMPLETE
        for line in describe(seen):
            click.echo(line)
        if evidence is not None:
            for file in save_evidence(evidence, module, contracts, seen, options):
                click.echo(f"wrote {printable(str(file))}")
    failed = any(load.failure for load in seen.loads) or any(run.failure for run in seen.runs)
    return EXIT_FINDINGS if failed else EXIT_CONFORMS
