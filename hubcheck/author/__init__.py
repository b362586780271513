"""Publish image modules that keep the convention: describe the tasks as functions, export what conforms."""

from __future__ import annotations

from hubcheck.author.builder import ImageModule, Outputs
from hubcheck.author.errors import AuthorError, AuthorWarning, ConformanceError

__all__ = ["AuthorError", "AuthorWarning", "ConformanceError", "ImageModule", "Outputs"]
