"""`hubcheck new`: a publisher's project."""

from __future__ import annotations

from pathlib import Path

import click

from hubcheck.engine.reports import EXIT_CONFORMS


@click.command("new")
@click.argument("name", metavar="NAME")
def command(name: str) -> int:
    """Make a project in the folder NAME that publishes a module: script, test, CI, README.

    \b
    hubcheck new flowers
    cd flowers && python -m pytest
    """
    from hubcheck.templates.create import create

    folder = create(Path(name))
    click.echo(f"wrote {folder}: publish.py writes the module, `python -m pytest` checks it; README.md tells more")
    return EXIT_CONFORMS
