"""Validate data files against the JSON Schemas in `rules/schema/`, in the words of TOML."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hubcheck.util import resources
from hubcheck.util.data_files import DataFileError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPES = {
    **{"array": "a list", "object": "a table", "string": "a string in quotes"},
    **{"integer": "an integer", "number": "a number", "boolean": "true or false"},
}


def validate_schema(file: Path, data: Any, schema: str) -> None:
    """Validate the data in `file` against `rules/schema/<schema>.schema.json`.

    Raises:
        DataFileError: it is invalid. The error names an unknown key, with the nearest known one, or else the deepest
            key with a wrong value; entries of lists are counted from 1.
    """
    import jsonschema

    text = (resources.folder("rules") / "schema" / f"{schema}.schema.json").read_text(encoding="utf-8")
    errors = list(jsonschema.Draft202012Validator(json.loads(text)).iter_errors(data))
    if not errors:
        return
    unknown = (error for error in errors if error.validator == "additionalProperties")
    error = next(unknown, None) or jsonschema.exceptions.best_match(errors)
    assert error is not None
    path = [str(part + 1 if isinstance(part, int) else part) for part in error.absolute_path]
    key, reason = _worded(error)
    raise DataFileError(file, ".".join([*path, *key]), reason)


def _worded(error: ValidationError) -> tuple[list[str], str]:
    """Return the key below the error's path, if there is one, and what is wrong."""
    found, wanted, schema = cast(tuple[Any, Any, Any], (error.instance, error.validator_value, error.schema))
    if error.validator == "additionalProperties":
        known = schema["properties"]
        key = next(key for key in found if key not in known)
        near = difflib.get_close_matches(key, known, n=1)
        return [key], f"no such key; {f'did you mean {near[0]!r}?' if near else f'known keys are {_listed(known)}'}"
    if error.validator == "required":
        return [], f"the key {next(key for key in wanted if key not in found)!r} is missing"
    if error.validator == "anyOf" and all("required" in choice for choice in wanted):
        return [], f"one of the keys {_listed(choice['required'][0] for choice in wanted)} is missing"
    if error.validator == "type" and wanted in _TYPES:
        return [], f"must be {_TYPES[wanted]}, not {found!r}"
    if error.validator == "enum":
        return [], f"{found!r} is not one of {_listed(wanted)}"
    if wanted in (r"\S", 1) and error.validator in ("pattern", "minLength", "minItems"):
        return [], "must not be empty"
    return [], error.message


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))
