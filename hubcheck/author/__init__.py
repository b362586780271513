"""Write image modules that conform: describe the tasks as functions, or take a Keras model or a SavedModel.

`definition` and `builder` hold the description, `sources` make one of an existing model, `writers` write it in
TF2 SavedModel or TF1 Hub format, and `export` checks what was written before it is put in place. `fixing` does all of
it for a module with findings. May import `hub` and everything below it; only `writers`, `sources` and `flat_graph`
import TensorFlow.
"""

from __future__ import annotations

from hubcheck.author.builder import ImageModule
from hubcheck.author.definition import Outputs
from hubcheck.author.errors import AuthorError, AuthorWarning, ConformanceError
from hubcheck.author.export import ExportResult
from hubcheck.author.fixing.fix import FixResult, fix
from hubcheck.author.fixing.options import FixOptions
from hubcheck.author.sources.keras_models import from_keras
from hubcheck.author.sources.pixels import Pixels
from hubcheck.author.sources.saved_models import from_saved_model

__all__ = [
    "AuthorError",
    "AuthorWarning",
    "ConformanceError",
    "ExportResult",
    "FixOptions",
    "FixResult",
    "ImageModule",
    "Outputs",
    "Pixels",
    "fix",
    "from_keras",
    "from_saved_model",
]
