"""`hubcheck new`: a project that publishes a module, from a template."""

from __future__ import annotations

from pathlib import Path

import click

from hubcheck.cli.echo import echo
from hubcheck.engine.reports import EXIT_CONFORMS


@click.command("new")
@click.argument("name", metavar="NAME", type=click.Path(path_type=Path))
def command(name: Path) -> int:
    """Create the folder NAME with a project that publishes a module: script, test, CI, README.

    \b
    hubcheck new flowers
    cd flowers && python -m pytest
    """
    from hubcheck.templates.create import create

    folder = create(name)
    echo(f"wrote {folder}: publish.py writes the module, `python -m pytest` checks it; see README.md")
    return EXIT_CONFORMS
