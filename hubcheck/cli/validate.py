"""`hubcheck validate`: check modules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubcheck.cli import options
from hubcheck.cli.output import Printing, for_stdout, run_and_report
from hubcheck.config.file import find_config, read_config
from hubcheck.engine.identity import module_key
from hubcheck.module.locate import changed_modules
from hubcheck.module.uri import ModuleSource
from hubcheck.remote.fetch_options import user_cache
from hubcheck.remote.sources import named_folders
from hubcheck.report.formats import FORMATS, Output, output
from hubcheck.rulebook.levels import LEVELS
from hubcheck.run.options import Options
from hubcheck.run.resolved import ResolvedOptions, resolve
from hubcheck.run.validate import modules_at, stream
from hubcheck.util.resources import cache_folder

if TYPE_CHECKING:
    from hubcheck.report.history import RunHistory

_FILE: dict[str, Any] = {"metavar": "FILE", "type": click.Path(path_type=Path)}


@click.command(
    "validate",
    epilog="Exit codes: 0 conforms; 1 findings at or above --fail-on; 2 unusable arguments, or no module at a path;"
    " 3 something that was requested could not be run; 70 an internal error; 130 after Ctrl-C.",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@options.static
@click.option("--select", multiple=True, metavar="RULE", help="Only this rule, or group of rules. Repeatable.")
@click.option("--ignore", multiple=True, metavar="RULE", help="All but this rule, or group of rules. Repeatable.")
@click.option(
    "--changed",
    is_flag=True,
    help="The paths are files that have changed: check the modules that they belong to, if there are any.",
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out modules and folders. Repeatable.")
@options.rules
@options.convention
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    help="The level from which a finding makes a module fail.  [default: error]",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(list(FORMATS)),
    help="The format of the report on standard output.  [default: text]",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="Also write a report to FILE, in the format of its suffix; or FORMAT=FILE. FILE.prom: counts."
    " history=DIR: keep the findings of each run there, so that reports say what is new and fixed. Repeatable.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print only what fails.")
@click.option("--verbose", "-v", is_flag=True, help="Print skipped rules, devices and the sandbox for each module.")
@click.option("--statistics", is_flag=True, help="Print how often each rule fails, not the modules (text, concise).")
@options.color
@click.option("--baseline", **_FILE, help="Findings in this file are known and do not fail.")
@click.option("--update-baseline", is_flag=True, help="Write the findings of this run to the baseline.")
@click.option("--config", "config_file", **_FILE, help="The configuration.  [default: the nearest one upwards]")
@click.option("--no-config", is_flag=True, help="Use no configuration.")
@click.option("--jobs", type=click.IntRange(min=1), help="Modules run at a time.  [default: one per core]")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Check on a Dask cluster: the address of its scheduler (tls://... for TLS), or `local` for workers on this"
    " machine.",
)
@click.option(
    "--device",
    type=options.DEVICES,
    help="Where to run modules: auto also uses a GPU if there is one; gpu and all need one.  [default: auto]",
)
@options.sandbox
@options.links_below
@options.save_evidence
@click.option("--no-cache", is_flag=True, help="Check and fetch everything again, and keep nothing.")
@click.option(
    "--timeout", type=options.SECONDS, metavar="SECONDS", help="How long one module may take.  [default: 180]"
)
@options.run_unsafe
def command(
    paths: Sequence[str],
    *,
    style: str | None,
    outputs: Sequence[str],
    config_file: Path | None,
    no_config: bool,
    no_cache: bool,
    timeout: float | None,
    quiet: bool,
    verbose: bool,
    statistics: bool,
    changed: bool,
    **given: Any,
) -> int:
    """Check modules: each PATH is a module, or a folder with modules below it, or the URI of one.

    \b
    hubcheck validate exports/mobilenet_v2
    hubcheck validate --static exports/ --format json
    hubcheck validate exports/ --output report.sarif --output junit=tests.xml
    hubcheck validate exports/ --baseline known.json --update-baseline
    hubcheck validate --static https://example.com/modules/mobilenet_v2
    hubcheck validate --static --changed exports/mobilenet_v2/assets/labels.txt README.md
    """
    style, files = for_stdout(style, map(output, outputs))
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other")
    if sum(target.format == "history" for target in files) > 1:
        raise click.UsageError("a run belongs to one history: give --output history=DIR once")
    if statistics and style not in ("text", "concise"):
        raise click.UsageError(f"--statistics is for the formats text and concise; {style} has the counts already")
    if changed:
        paths = [str(module) for module in changed_modules(paths)]
    config = None
    if config_file is not None:
        config = read_config(config_file, use_cache=not no_cache)
    elif not no_config:
        config = find_config(use_cache=not no_cache)
    probe = None
    if timeout is not None:
        from hubcheck.probe.options import ProbeOptions

        probe = ProbeOptions(timeout=timeout)
    plan = resolve(
        Options(
            **given,
            cache=None if no_cache else cache_folder("reports"),
            download_cache=None if no_cache else user_cache(),
            probe=probe,
            config=config,
            named=named_folders(paths),
            details="html" in (style, *(target.format for target in files)),
        )
    )
    if plan.options.update_baseline and plan.options.baseline is None:
        raise click.UsageError("--update-baseline needs --baseline, or a baseline in the configuration")
    if changed:
        paths = [path for path in paths if not plan.exclusions.covers(Path(path))]
    modules = modules_at(paths, plan)
    printing = Printing(style, files, quiet, verbose, statistics, _history(files, modules, plan))
    with closing(stream(modules, plan)) as reports:
        return run_and_report(reports, len(modules), printing, plan)


def _history(files: Iterable[Output], modules: Iterable[ModuleSource], plan: ResolvedOptions) -> RunHistory | None:
    """Return the history that a run belongs to, read before anything is checked; None if none is requested."""
    folder = next((target.file for target in files if target.format == "history"), None)
    if folder is None:
        return None
    from hubcheck.report.history import RunHistory

    return RunHistory(folder, (module_key(module, plan.project_root) for module in modules))
