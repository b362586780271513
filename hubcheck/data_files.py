"""Data files that users write too: what is wrong with one is told by file, key and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hubcheck import resources
from hubcheck.errors import UsersError


class DataFileError(UsersError):
    """A rule, signature or configuration file that cannot be used."""

    def __init__(self, file: Path, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key + ': ' if key else ''}{reason}")
        self.file = file
        self.key = key
        self.reason = reason


def validate(file: Path, data: Any, schema: str) -> None:
    """Hold parsed data against `rules/schema/<schema>.schema.json`.

    Raises:
        DataFileError: the first violation, the deepest key first.
    """
    import jsonschema

    text = (resources.folder("rules") / "schema" / f"{schema}.schema.json").read_text(encoding="utf-8")
    validator = jsonschema.Draft202012Validator(json.loads(text))
    error = jsonschema.exceptions.best_match(validator.iter_errors(data))
    if error is not None:
        raise DataFileError(file, ".".join(map(str, error.absolute_path)), error.message)
