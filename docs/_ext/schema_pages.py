"""Write the reference of the configuration, reports and rule files from their JSON Schemas: the folder `schemas`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pages import prose, write_pages

from hubcheck.util import resources

_PAGES = {
    "config": (
        "Configuration keys",
        "The keys of `hubcheck.toml`, and of the table `[tool.hubcheck]` in `pyproject.toml`; see "
        "[](/guides/configuration.md).",
    ),
    "report": ("JSON report", "The document that `hubcheck validate --format json` prints."),
    "rule": ("Rule files", "The keys of a rule, `DIR/<group>/<name>.toml`; see [](/guides/house-rules.md)."),
    "signature": (
        "Signature files",
        "The keys of a signature, `DIR/signatures/<name>.toml`; see [](/guides/own-signatures.md).",
    ),
}


def schema_page(name: str) -> str:
    """Return the page of a schema: a table of the keys of each object in it."""
    schema = json.loads((resources.folder("rules") / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))
    title, what = _PAGES[name]
    lines = [f"# {title}", "", what, f"`rules/schema/{name}.schema.json` describes the same as a JSON Schema.", ""]
    for heading, part in _objects(schema):
        lines += [*([f"## {heading}", ""] if heading else []), *_table(part, schema.get("$defs", {}))]
    return "\n".join(lines)


def _objects(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every object of a schema that has keys, with its name: the whole, its tables, and its definitions."""
    yield "", schema
    for name, part in (*schema["properties"].items(), *schema.get("$defs", {}).items()):
        if "properties" in part:
            yield name, part
        for key, value in part.get("properties", {}).items():
            if "properties" in value:
                yield key, value


def _table(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    required = part.get("required", ())
    lines = ["| key | value | |", "|---|---|---|"]
    for key, value in part["properties"].items():
        texts = [prose(value.get("description", ""))]
        if "default" in value:
            texts.append(f"Default: {value['default']:,}.")
        if key in required:
            texts.append("Required.")
        lines.append(f"| `{key}` | {_kind(value, definitions, key)} | {' '.join(filter(None, texts))} |")
    return [*lines, ""]


def _kind(value: Mapping[str, Any], definitions: Mapping[str, Any], key: str = "") -> str:
    """Return in words which values a schema allows; `key` is the heading of its own table, if it has one."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return _kind(definitions[name], definitions, name)
    if "enum" in value:
        return ", ".join(f"`{json.dumps(item)}`" for item in value["enum"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "oneOf" in value:
        return " or ".join(_kind(item, definitions) for item in value["oneOf"])
    if "properties" in value:
        return f"[{key}](#{key})" if key else ", ".join(f"`{name}`" for name in value["properties"])
    if value.get("type") == "array":
        return f"list of {_kind(value['items'], definitions)}"
    if isinstance(value.get("additionalProperties"), dict):
        return f"table of {_kind(value['additionalProperties'], definitions)}"
    types = value.get("type", "any")
    return " or ".join(types) if isinstance(types, list) else str(types)


def setup(app: Any) -> dict[str, bool]:
    pages = {f"{name}.md": schema_page(name) for name in _PAGES}
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "schemas", pages))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
