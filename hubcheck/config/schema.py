"""Validate a configuration against its JSON Schema, `rules/schema/config.schema.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubcheck.util import resources
from hubcheck.util.data_files import DataFileError
from hubcheck.util.schemas import validate_schema
from hubcheck.util.sealed import SealedFolder


def check_configuration(file: Path, content: bytes, data: Any, *, use_cache: bool) -> None:
    """Raise unless `data`, parsed from `content`, is a valid configuration.

    Importing jsonschema takes longer than the rest of a small static check, so the digest of valid content is kept in
    the cache folder: one for each configuration file.

    Raises:
        DataFileError: as `validate_schema` raises it.
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
    validate_schema(file, data, "config")
    if use_cache:
        records.write(name, digest)
