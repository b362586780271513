"""`hubcheck adapt`: make a conforming module of an existing model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hubcheck.author.quiet_import import import_tensorflow
from hubcheck.cli import model_options
from hubcheck.cli.echo import echo
from hubcheck.cli.option_names import in_option_names
from hubcheck.engine.reports import EXIT_CONFORMS, EXIT_FINDINGS
from hubcheck.util.errors import UserError


@click.command("adapt")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "--features",
    metavar="NAME",
    help="The output or Keras layer with the feature vectors; LAYER.input is what goes into a layer.",
)
@click.option("--logits", metavar="NAME", help="The output or Keras layer with the logits.")
@click.option(
    "--hidden",
    multiple=True,
    metavar="NAME",
    help="Another output or layer to return, or a pattern: 'block_*'. Repeatable.",
)
@click.option(
    "--pixels",
    metavar="LOW,HIGH|MODE",
    required=True,
    help="The range of pixel values that the model expects, such as 0,255, or a mode of Keras's preprocess_input: "
    "tf, caffe or torch.",
)
@model_options.mean
@model_options.std
@model_options.bgr
@click.option("--architecture", metavar="NAME", help="The network's name.  [default: after SRC]")
@click.option("--input", metavar="NAME", help="The input for the images, if there are several; see --constant.")
@model_options.constants
@click.option("--signature", metavar="NAME", help="The SavedModel's signature to adapt.  [default: the default one]")
@model_options.image_size
@model_options.classes
@click.option(
    "--activation", metavar="NAME", help="The function to apply to the logits, such as softmax, for the documentation."
)
@click.option("--grayscale", is_flag=True, help="The model takes grayscale images: convert RGB in the module.")
@model_options.default
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["tf2", "tf1-hub"]),
    help="The format to write. Repeatable.  [default: tf2]",
)
@click.option(
    "--custom-objects",
    metavar="MODULE",
    help="A Python module, or a .py file, with the classes and functions that a Keras file needs.",
)
@click.option("--package", is_flag=True, help="Also write a .tar.gz.")
@model_options.overwrite
@click.option("--static", is_flag=True, help="Check the result from its files alone; do not run it.")
@click.option("--tf1-compat", is_flag=True, help="In tf1-hub format, write nothing that TensorFlow 1.15 cannot read.")
def command(
    source: str,
    target: str,
    *,
    pixels: str,
    mean: str | None,
    std: str | None,
    bgr: bool,
    image_size: str | None,
    constants: Sequence[str],
    formats: Sequence[str],
    static: bool,
    **given: Any,
) -> int:
    """Make a conforming module DST from the model SRC: a SavedModel of any format, or a .keras or .h5 file.

    Names and pixel range become those of the convention; [batch, 1, 1, n] is squeezed, and a softmax or sigmoid after
    the logits is left out. DST is written only if it conforms. Loading a model runs its code: adapt only models that
    you trust.

    \b
    hubcheck adapt old_model/ exports/m --logits dense_3 --pixels 0,255 --classes labels.txt
    hubcheck adapt model.keras exports/m --features avg_pool --logits predictions --pixels=-1,1 \\
        --default image_feature_vector
    """
    import_tensorflow("hubcheck adapt")
    from hubcheck.author import AuthorError, AuthorWarning, ConformanceError
    from hubcheck.author.sources.files import from_file

    given["pixels"] = model_options.parse_pixels(pixels, mean, std, bgr=bgr)
    given["image_size"] = model_options.parse_image_size(image_size)
    given["constants"] = model_options.parse_constants(constants)
    export = {name: given.pop(name) for name in ("default", "package", "overwrite", "tf1_compat")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", AuthorWarning)
        try:
            module = from_file(Path(source), **given)
            result = module.export(target, format=tuple(formats) or "tf2", probe=not static, **export)
        except ConformanceError as error:
            echo(str(error), err=True)
            return EXIT_FINDINGS
        except (AuthorError, FileExistsError) as error:
            raise UserError(in_option_names(str(error), command)) from error
    notes = dict.fromkeys(result.notes)
    for text in notes:
        echo(in_option_names(text, command))
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        if text not in notes:
            echo(f"warning: {in_option_names(text, command)}")
    for path in (*result.modules.values(), *result.archives):
        echo(f"wrote {path}")
    return EXIT_CONFORMS
