"""`hubcheck fix`: make a conforming module of one that fails."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from hubcheck.author.quiet_import import import_tensorflow
from hubcheck.cli import model_options, options
from hubcheck.cli.echo import echo, terminal_width
from hubcheck.cli.option_names import in_option_names
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_FINDINGS
from hubcheck.util.errors import UserError
from hubcheck.util.text import listed

if TYPE_CHECKING:
    from hubcheck.author.fixing.fix import FixResult
    from hubcheck.module.types import Module
    from hubcheck.sandbox.policy import Mode

_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command(
    "fix",
    epilog="Exit codes: 0 the result conforms, or PATH does; 1 findings remain, or nothing could be fixed or proven;"
    " 2 unusable arguments, or no module at PATH.",
)
@click.argument("path", metavar="PATH")
@click.argument("target", metavar="[DST]", required=False)
@click.option("--in-place", is_flag=True, help="Replace the module at PATH, atomically.")
@model_options.overwrite
@click.option("--diff", is_flag=True, help="Show what would change, as signatures and graph; write nothing.")
@click.option("--features", metavar="NAME", help="The output with the feature vectors.")
@click.option("--logits", metavar="NAME", help="The output with the scores of classes.")
@model_options.default
@click.option("--signature", metavar="NAME", help="The signature that has these outputs.")
@click.option("--input", metavar="NAME", help="The input for the images.")
@model_options.constants
@click.option(
    "--pixels",
    metavar="LOW,HIGH|MODE",
    help="The range of pixel values that the network expects, such as 0,255, or a mode of Keras's preprocess_input: "
    "tf, caffe or torch.",
)
@model_options.mean
@model_options.std
@model_options.bgr
@model_options.image_size
@click.option(
    "--pool", type=click.Choice(["average", "max"]), help="How to make one vector of features at every position."
)
@model_options.classes
@click.option("--architecture", metavar="NAME", help="The network's name, the prefix of keys.")
@click.option("--description", metavar="TEXT", default="", help="Sentences for MODULE.md.")
@click.option("--format", type=click.Choice(["tf2", "tf1-hub"]), help="The format to write.  [default: that of PATH]")
@options.sandbox
@options.color
def command(
    path: str,
    target: str | None,
    *,
    in_place: bool,
    overwrite: bool,
    diff: bool,
    format: str | None,
    sandbox: Mode | None,
    pixels: str | None,
    mean: str | None,
    std: str | None,
    bgr: bool,
    image_size: str | None,
    constants: Sequence[str],
    **given: Any,
) -> int:
    """Make a conforming module from the module at PATH, and prove by runs that both compute the same.

    What the graph shows is inferred and printed; an option takes precedence. DST, by default PATH_fixed, is written
    only if its outputs for the same images equal those of PATH, apart from the changes that are printed, and if it
    passes the rules that it was made for. Building it loads PATH, which runs its code: fix only modules that you
    trust.

    \b
    hubcheck fix exports/m
    hubcheck fix exports/m --diff
    hubcheck fix exports/m --in-place --pixels=-1,1
    """
    import_tensorflow("hubcheck fix")
    from hubcheck.author.errors import AuthorError, AuthorWarning
    from hubcheck.author.fixing.fix import fix
    from hubcheck.author.fixing.options import FixOptions

    changes: list[str] = []

    def show(source: Module, result: Module) -> bool:
        changes.extend(_diff(source, result))
        return False

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AuthorWarning)
        try:
            if pixels or mean or std or bgr:
                given["pixels"] = model_options.parse_pixels(pixels, mean, std, bgr=bgr)
            given["image_size"] = model_options.parse_image_size(image_size)
            result = fix(
                path,
                target,
                options=FixOptions(**given, constants=model_options.parse_constants(constants)),
                in_place=in_place,
                overwrite=overwrite or diff,
                format=format,
                sandbox=sandbox,
                inspect=show if diff else None,
            )
        except (AuthorError, FileExistsError) as error:
            raise UserError(in_option_names(str(error), command)) from error
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be written: {error.strerror}") from error
    for line in changes:
        echo(click.style(line, fg=_DIFF_COLOURS.get(line[:1])))
    for line in _lines(path, result, is_diff=diff):
        echo(line)
    return EXIT_FINDINGS if any(one.level == "error" for one in result.remaining) else EXIT_CONFORMS


def _lines(path: str, result: FixResult, *, is_diff: bool) -> Iterator[str]:
    """Yield what was done, or would be done, styled for a terminal."""
    from hubcheck.report.text_lines import finding_lines, labelled

    width = terminal_width()
    for label, texts in (("inferred", result.inferred), ("changed", result.changes)):
        for text in texts:
            yield from labelled(label, in_option_names(text, command), indent=0, width=width)
    if result.reason:
        yield from labelled("not fixed", in_option_names(result.reason, command), indent=0, width=width)
    if result.fixed:
        proof = f"outputs differ by at most {result.difference:.1g} of the largest value on the same images"
        yield from labelled("proven", proof, indent=0, width=width)
        fixed = listed(list(dict.fromkeys(one.rule for one in result.fixed)), most=20)
        yield from labelled("would fix" if is_diff else "fixed", fixed, indent=0, width=width)
    for finding in result.remaining:
        yield from finding_lines(finding, width)
    if is_diff and result.fixed:
        yield "nothing written (--diff)"
    if result.path is not None:
        yield f"wrote {result.path}"
    elif not result.remaining and not result.fixed:
        yield f"{path}: nothing to fix"


def _diff(source: Module, result: Module) -> list[str]:
    """Return the difference of two modules, as what they declare and as the outlines of their tasks' graphs."""
    before, after = (list(_described(module)) for module in (source, result))
    return list(difflib.unified_diff(before, after, str(source.path), "what fix would write", lineterm=""))


def _described(module: Module) -> Iterator[str]:
    from hubcheck.checks.context import Context
    from hubcheck.cli.show import outline_lines, summary_lines
    from hubcheck.engine.outlines import signature_outline
    from hubcheck.rulebook.contract import load_contracts

    contracts = load_contracts()
    lines = list(summary_lines(module))[1:]
    variant = module.inference
    if variant is not None:
        tasks = [task for task in contracts if task in variant.signatures] or [module.default_signature]
        for task in filter(variant.signatures.__contains__, tasks):
            lines.append(f"  graph of {task if task in contracts else 'the task'}")
            outline = signature_outline(Context(module, contracts), variant, task)
            lines += [text for line in outline for text in outline_lines(line)]
    yield from click.unstyle("\n".join(lines)).splitlines()
