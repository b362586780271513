"""Data files, of hubcheck and of users: an error in one names the file, the key and the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from hubcheck.util.errors import UserError

T = TypeVar("T")


class DataFileError(UserError):
    """A rule, signature or configuration file that cannot be used."""

    def __init__(self, file: Path, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key + ': ' if key else ''}{reason}")


class LazyRegistry(Mapping[str, T], Generic[T]):
    """The objects in data files, by name: in `shipped` files, and `own` objects of users.

    `read` reads a file that ships with hubcheck when its object is first used; a run whose reports are all cached reads
    none.
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


def read_toml(file: Path) -> dict[str, Any]:
    """Return the content of a TOML file; raise DataFileError if it is not valid TOML."""
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFileError(file, "", str(error)) from None
