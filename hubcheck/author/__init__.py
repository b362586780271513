"""Publish image modules that keep the convention: describe the tasks as functions, export what conforms."""

from __future__ import annotations

from hubcheck.author.builder import ImageModule, Outputs
from hubcheck.author.errors import AuthorError, AuthorWarning, ConformanceError
from hubcheck.author.keras_models import from_keras
from hubcheck.author.saved_models import from_saved_model

__all__ = [
    "AuthorError",
    "AuthorWarning",
    "ConformanceError",
    "ImageModule",
    "Outputs",
    "from_keras",
    "from_saved_model",
]
