"""Digests of hubcheck's code and rules, and of rules of a user's own: whether two machines check alike."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from hubcheck._version import __version__
from hubcheck.config.rule_folders import rule_folders
from hubcheck.rulebook.rules import load_rules
from hubcheck.util import resources
from hubcheck.util.folders import walk

CodeDigests = dict[str, str]
"""What two machines must have in common to check alike, by how a message calls it."""


def code_digests(rules: Iterable[Path]) -> CodeDigests:
    """Return the digests of the code on this machine, and of these folders of rules.

    Raises:
        DataFileError: a folder of rules cannot be read.
    """
    folders = rule_folders(rules)
    package = Path(__file__).parents[1]
    # A wheel has the rules in `data` below the package, a checkout beside it.
    code = (file for file in _files(package) if file.relative_to(package).parts[0] != "data")
    shipped = resources.folder("rules")
    own = [part for folder in (*folders, *_packages_of_own_checks(folders)) for part in _parts(folder, _files(folder))]
    return {
        "version": __version__,
        "code": _digest([*_parts(package, code), *_parts(shipped, _files(shipped))]),
        "rules of --rules": _digest(own),
    }


def _packages_of_own_checks(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the packages with the checks that own rules name, which are not imported here."""
    own = load_rules(*folders).own.values()
    modules = {(check or "").partition(":")[0] for rule in own for check in (rule.check, rule.probe)}
    for name in sorted({module.partition(".")[0] for module in modules if "." in module}):
        spec = importlib.util.find_spec(name)
        yield from map(Path, sorted(spec.submodule_search_locations or ()) if spec is not None else ())


def _files(folder: Path) -> Iterator[Path]:
    for here, _, names in walk(folder):
        yield from (Path(here, name) for name in names if not name.endswith((".pyc", ".pyo")))


def _parts(folder: Path, files: Iterable[Path]) -> list[bytes]:
    """Return the names and contents of files, in an order that is the same everywhere."""
    named = sorted((file.relative_to(folder).as_posix(), file) for file in files)
    return [part for name, file in named for part in (name.encode(), file.read_bytes())]


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
