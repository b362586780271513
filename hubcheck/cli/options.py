"""Options that several commands share; those of `validate` are named as the fields of run.options.Options."""

from __future__ import annotations

from pathlib import Path

import click

from hubcheck.cli.echo import wants_colour
from hubcheck.rulebook.convention import CONVENTIONS

DEVICES = click.Choice(["cpu", "gpu", "auto", "all"])
SECONDS = click.FloatRange(min=0, min_open=True)
SECONDS.name = "number of seconds"  # in messages

static = click.option("--static", is_flag=True, help="Decide from files alone: no TensorFlow, a fraction of a second.")
rules = click.option(
    "--rules",
    multiple=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with rules and signatures of your own. Repeatable.",
)
convention = click.option(
    "--convention",
    type=click.Choice(CONVENTIONS),
    help="What consumers call: the common signatures, or the callable of a TF2 SavedModel."
    "  [default: common-signatures]",
)
run_unsafe = click.option("--run-unsafe", is_flag=True, help="Run a module although a safety rule failed.")
sandbox = click.option(
    "--sandbox",
    type=click.Choice(["required", "auto", "off"]),
    help="required: run a module only if no protection that matters is missing. auto: with those that this machine has."
    " off: with limits only.  [default: required for modules from servers, else auto]",
)
color = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    expose_value=False,
    callback=lambda context, option, value: setattr(context, "color", wants_colour(value)),
    help="When to print colours; auto follows NO_COLOR and FORCE_COLOR, then the terminal.",
)
links_below = click.option(
    "--links-below",
    multiple=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder to whose files links in modules may lead, besides PATH itself. Repeatable.",
)
save_evidence = click.option(
    "--save-evidence",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for the inputs and outputs of the runs, as .npz files.",
)
