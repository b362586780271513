"""Data files that users write too: what is wrong with one is told by file, key and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from hubcheck.util import resources
from hubcheck.util.errors import UserError

T = TypeVar("T")


class DataFileError(UserError):
    """A rule, signature or configuration file that cannot be used."""

    def __init__(self, file: Path, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key + ': ' if key else ''}{reason}")
        self.file = file
        self.key = key
        self.reason = reason


class LazyRegistry(Mapping[str, T], Generic[T]):
    """What data files hold, by name. Those that ship with hubcheck are read when they are first asked for: a run that
    finds all it wants in the cache asks for none.

    Args:
        shipped: the files that ship with hubcheck, by the names of what is in them.
        read: what makes of such a file what is in it.
        own: what users' files hold, by name.
    """

    def __init__(self, shipped: Mapping[str, Path], read: Callable[[Path], T], own: Mapping[str, T]) -> None:
        self._files, self._read, self.own = shipped, read, own
        self._known = dict(own)

    def __getitem__(self, name: str) -> T:
        if name not in self._known:
            self._known[name] = self._read(self._files[name])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._files
        yield from self.own

    def __len__(self) -> int:
        return len(self._files) + len(self.own)


def parsed(file: Path) -> dict[str, Any]:
    """What a TOML file says.

    Raises:
        DataFileError: it is not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFileError(file, "", str(error)) from None


def validate(file: Path, data: Any, schema: str) -> None:
    """Hold parsed data against `rules/schema/<schema>.schema.json`.

    Raises:
        DataFileError: the first violation, the deepest key first.
    """
    import json

    import jsonschema

    text = (resources.folder("rules") / "schema" / f"{schema}.schema.json").read_text(encoding="utf-8")
    validator = jsonschema.Draft202012Validator(json.loads(text))
    error = jsonschema.exceptions.best_match(validator.iter_errors(data))
    if error is not None:
        raise DataFileError(file, ".".join(map(str, error.absolute_path)), error.message)
