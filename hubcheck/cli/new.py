"""`hubcheck new`: a project that publishes a module, from a template."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hubcheck.cli.echo import echo
from hubcheck.engine.reports import EXIT_CONFORMS
from hubcheck.util.errors import UserError


@click.command("new")
@click.argument("name", metavar="NAME", type=click.Path(path_type=Path))
@click.option(
    "--install-from",
    "origin",
    metavar="SOURCE",
    help="Where the project installs hubcheck from: a URL (git+https://..., https://.../hubcheck-....whl), or the file "
    "of a wheel, which is copied into the project.  [default: the URL that this hubcheck was installed from]",
)
def command(name: Path, origin: str | None) -> int:
    """Create the folder NAME with a project that publishes a module: script, test, CI, README.

    \b
    hubcheck new flowers
    cd flowers && python -m pytest
    """
    from hubcheck.templates.create import create, installed_origin

    origin = origin or installed_origin()
    if origin is None:
        unknown = "it is unknown where this hubcheck was installed from"
        if not sys.stdin.isatty():
            raise UserError(
                f"{unknown}: pass --install-from, the URL or the wheel that the project installs hubcheck from"
            )
        origin = click.prompt(f"{unknown}. The project installs it from (a URL, or the file of a wheel)", err=True)
    folder = create(name, origin)
    echo(f"wrote {folder}: publish.py writes the module, `python -m pytest` checks it; see README.md")
    return EXIT_CONFORMS
