"""Validate a configuration against its JSON Schema, `rules/schema/config.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubcheck.util import resources
from hubcheck.util.data_files import DataFileError, validate_schema
from hubcheck.util.sealed import SealedFolder


def check_configuration(file: Path, content: bytes, data: Any, *, use_cache: bool) -> None:
    """Raise unless `data`, parsed from `content`, is a valid configuration.

    Importing jsonschema takes longer than the rest of a small static check, so the digest of valid content is kept in
    the cache folder: one for each configuration file.

    Raises:
        DataFileError: an unknown key, with the nearest known one, or else the first violation of the schema.
    """
    import hashlib

    text = (resources.folder("rules") / "schema" / "config.schema.json").read_bytes()
    digest = hashlib.sha256(text + content).digest()
    name = hashlib.sha256(bytes(file.absolute())).hexdigest()[:32]
    records = SealedFolder(resources.cache_folder("configurations"), "configuration")
    if use_cache and records.read(name) == digest:
        return
    if not isinstance(data, dict):
        raise DataFileError(file, "tool.hubcheck", "must be a table")
    schema = json.loads(text)
    _check_keys(file, data, schema, "")
    for kind in ("select", "ignore", "xfail"):
        entries = data.get(kind)
        for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
            _check_keys(file, entry, schema["$defs"]["entry"], f"{kind}.{number}.")
    _check_keys(file, data.get("limits"), schema["properties"]["limits"], "limits.")
    validate_schema(file, data, "config")
    if use_cache:
        records.write(name, digest)


def _check_keys(file: Path, table: Any, schema: Mapping[str, Any], prefix: str) -> None:
    known = schema["properties"]
    for key in table if isinstance(table, dict) else ():
        if key not in known:
            import difflib

            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
            raise DataFileError(file, f"{prefix}{key}", f"no such key; {hint}")
