"""`hubcheck validate`: check modules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hubcheck.cli.output import run_and_report, write
from hubcheck.config.file import Config, find_config, read_config
from hubcheck.remote.fetch_options import user_cache
from hubcheck.report.formats import FORMATS, output
from hubcheck.run.options import Options
from hubcheck.run.resolved import resolve
from hubcheck.run.validate import modules_at, stream
from hubcheck.util.resources import cache_folder

if TYPE_CHECKING:
    from hubcheck.probe.options import ProbeOptions


@click.command(
    "validate",
    epilog="Exit codes: 0 conforms; 1 findings at or above --fail-on; 2 unusable arguments, or no module at a path;"
    " 3 something asked for could not be run; 70 an error of hubcheck's own; 130 after Ctrl-C.",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--static", is_flag=True, help="Decide from files alone: no TensorFlow, a fraction of a second.")
@click.option("--select", multiple=True, metavar="RULE", help="Only this rule, or group of rules. Repeatable.")
@click.option("--ignore", multiple=True, metavar="RULE", help="All but this rule, or group of rules. Repeatable.")
@click.option(
    "--rules", "rule_folders", multiple=True, metavar="DIR", help="A folder with rules and signatures of your own."
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    help="The level from which a finding breaks the verdict.  [default: error]",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="How to report on standard output.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="A file to report to as well, in the format that its suffix tells; or FORMAT=FILE. Repeatable.",
)
@click.option("--baseline", metavar="FILE", help="Findings in this file are known and do not fail.")
@click.option("--update-baseline", is_flag=True, help="Write what is found now to the baseline.")
@click.option("--config", "config_file", metavar="FILE", help="The configuration.  [default: the nearest one upwards]")
@click.option("--no-config", is_flag=True, help="Use no configuration.")
@click.option("--jobs", type=click.IntRange(min=1), help="Modules run at a time.  [default: one per core]")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Have a Dask cluster check them: the address of its scheduler, or `local` for workers on this machine.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "gpu", "auto", "all"]),
    help="Where to run modules: auto takes a GPU too if there is one; gpu and all insist.  [default: auto]",
)
@click.option(
    "--sandbox",
    type=click.Choice(["required", "auto", "off"]),
    default="auto",
    show_default=True,
    help="Run modules behind all protections or not at all, with those that this machine has, or with limits only.",
)
@click.option("--save-evidence", metavar="DIR", help="A folder for the inputs and outputs of the runs, as .npz files.")
@click.option("--no-cache", is_flag=True, help="Check and fetch again what has not changed since, and keep nothing.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds that one module may take.  [default: 180]"
)
@click.option("--run-unsafe", is_flag=True, help="Run a module although a safety rule failed.")
def command(  # noqa: PLR0913 - one for each option
    paths: Sequence[str],
    *,
    static: bool,
    select: Sequence[str],
    ignore: Sequence[str],
    rule_folders: Sequence[str],
    fail_on: Literal["error", "warning"] | None,
    style: str,
    outputs: Sequence[str],
    baseline: str | None,
    update_baseline: bool,
    config_file: str | None,
    no_config: bool,
    jobs: int | None,
    cluster: str | None,
    device: Literal["cpu", "gpu", "auto", "all"] | None,
    sandbox: Literal["required", "auto", "off"],
    save_evidence: str | None,
    no_cache: bool,
    timeout: float | None,
    run_unsafe: bool,
) -> int:
    """Check modules: each PATH is a module, or a folder with modules below it, or the URI of one.

    \b
    hubcheck validate exports/mobilenet_v2
    hubcheck validate --static exports/ --format json
    hubcheck validate exports/ --output report.sarif --output junit=tests.xml
    hubcheck validate exports/ --baseline known.json --update-baseline
    hubcheck validate --static https://example.com/modules/mobilenet_v2
    """
    files = [output(name) for name in outputs]
    options = Options(
        static=static,
        select=tuple(select),
        ignore=tuple(ignore),
        rules=tuple(_folder(name) for name in rule_folders),
        fail_on=fail_on,
        jobs=jobs,
        cluster=cluster,
        run_unsafe=run_unsafe,
        device=device,
        sandbox=sandbox,
        save_evidence=Path(save_evidence) if save_evidence is not None else None,
        baseline=Path(baseline) if baseline is not None else None,
        update_baseline=update_baseline,
        cache=None if no_cache else cache_folder("reports"),
        store=None if no_cache else user_cache(),
        probe=_probe(timeout),
        config=_config(config_file, no_config),
        details="html" in (style, *(target.format for target in files)),
    )
    plan = resolve(options)
    if update_baseline and plan.options.baseline is None:
        raise click.UsageError("--update-baseline needs --baseline, or a baseline in the configuration")
    modules = modules_at(paths, plan)
    report = run_and_report(stream(modules, plan), len(modules), style, plan)
    for target in files:
        write(report, target)
    return report.exit_code


def _probe(timeout: float | None) -> ProbeOptions | None:
    if timeout is None:
        return None
    from hubcheck.probe.options import ProbeOptions

    return ProbeOptions(timeout=timeout)


def _config(file: str | None, without: bool) -> Config | None:
    if without:
        return None
    return read_config(Path(file)) if file is not None else find_config()


def _folder(name: str) -> Path:
    folder = Path(name)
    if not folder.is_dir():
        raise click.BadParameter(f"{name}: no such folder", param_hint="--rules")
    return folder
