"""A module's files, from a server into a folder: all of them where it will be run, else what static checks read.

Of weights these read the size, and the one entry that tells which object has which weights; the rest of a data file is
a hole. So is what is larger than a limit: the reader refuses it by its size, as it does in folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from hubcheck.module import readmes
from hubcheck.module.checkpoint import OBJECT_GRAPH_KEY, CheckpointError, read_index, shard_name
from hubcheck.module.file_names import MODULE_FILES
from hubcheck.module.limits import LimitExceeded
from hubcheck.module.reader import read
from hubcheck.module.safe_names import is_safe
from hubcheck.module.types import CheckpointEntry
from hubcheck.remote.retry import retry_transient
from hubcheck.remote.source import Denied, Info, SizeExceeded, Source
from hubcheck.remote.transfer import Transfer, hollow
from hubcheck.remote.walk import files_below
from hubcheck.util.errors import Unreachable

_INDEX = "variables/variables.index"
_READ = {
    "saved_model.pb": "proto_bytes",
    "saved_model.pbtxt": "text_bytes",
    "tfhub_module.pb": "unscanned_bytes",
    "keras_metadata.pb": "metadata_bytes",
    _INDEX: "index_bytes",
}
"""What the reader reads, each with the limit on its size."""
_KNOWN = (*MODULE_FILES, "keras_metadata.pb", "fingerprint.pb", _INDEX, *readmes.NAMES)
"""What is asked for where a server lists nothing."""


def lay_out(transfer: Transfer, folder: Path, *, weights: bool) -> None:
    """Fetch a module into a folder.

    Args:
        transfer: from where, and how much.
        folder: where to; it is empty.
        weights: whether the module will be run, or loaded.

    Raises:
        LimitExceeded: there is more of it than is allowed.
        Unreachable: the server does not give it.
    """
    _Layout(transfer, folder, weights).make()


def lay_out_documents(transfer: Transfer, folder: Path, names: Iterable[str]) -> None:
    """Fetch those of these documents that are there. Where one may not look beside the module, there are none."""
    layout = _Layout(transfer, folder, weights=False)
    with suppress(Unreachable):
        for name, info in known_files(transfer.source, names).items():
            layout.document(name, info)


@dataclass(frozen=True, slots=True)
class _Layout:
    transfer: Transfer
    folder: Path
    weights: bool

    def make(self) -> None:
        source = self.transfer.source
        listed = files_below(source, self.transfer.limits)
        # A list without the module in it is no list of the module's files.
        complete = listed is not None and any(name in listed for name in MODULE_FILES)
        files = listed if complete and listed is not None else known_files(source, _KNOWN)
        for name, info in _fitting(files):
            if self.weights and complete and name not in _READ:
                self._whole(name, info)
            elif name in _READ:
                self._bounded(name, info, getattr(self.transfer.limits, _READ[name]))
            elif name in readmes.NAMES:
                self.document(name, info)
            elif complete and name.startswith("assets/"):
                self._bounded(name, info, self.transfer.limits.asset_text_bytes)
            elif not _is_data(name):
                self._hollow(name, info)
        self._data(files if complete else {})
        if not complete:
            self._assets()

    def _data(self, listed: dict[str, Info | None]) -> None:
        """The data files that the checkpoint's index names."""
        limits = self.transfer.limits
        try:
            index = read_index(self.folder / _INDEX, limits)
        except (OSError, CheckpointError, LimitExceeded):
            return  # the reader will tell
        needed: dict[int, int] = {}
        for entry in index.entries.values():
            needed[entry.shard] = max(needed.get(entry.shard, 0), entry.offset + entry.size)
        if len(needed) > limits.files:
            raise LimitExceeded(limits, "files", "data files are named by the checkpoint's index")
        graph = index.entries.get(OBJECT_GRAPH_KEY)
        names = {f"variables/{shard_name('variables', shard, index.shards)}": shard for shard in sorted(needed)}
        for name, info in _infos(self.transfer.source, names, listed).items():
            if info is None or not is_safe(name):
                continue
            if self.weights:
                if not (self.folder / name).exists():
                    self._whole(name, info)
                continue
            wanted = needed[names[name]]
            size = wanted if info.size is None else min(info.size, wanted)
            self._hollow(name, Info(size))
            if graph is not None and graph.shard == names[name]:
                self._object_graph(name, info, graph, size)

    def _object_graph(self, name: str, info: Info, entry: CheckpointEntry, size: int) -> None:
        fits = entry.offset >= 0 and 0 < entry.size <= self.transfer.limits.object_graph_bytes
        if fits and entry.offset + entry.size <= size:
            self.transfer.part(name, info, entry.offset, entry.size, self.folder / name)

    def _assets(self) -> None:
        """The assets that the graph names."""
        facts = read(self.folder, self.transfer.limits)
        names = dict.fromkeys(f"assets/{asset.filename}" for variant in facts.variants for asset in variant.assets)
        if len(names) > self.transfer.limits.files:
            raise LimitExceeded(self.transfer.limits, "files", "assets are named by the graph")
        wanted = [name for name in names if is_safe(name)]
        for name, info in _fitting(known_files(self.transfer.source, wanted)):
            if self.weights:
                self._whole(name, info)
            else:
                self._bounded(name, info, self.transfer.limits.asset_text_bytes)

    def document(self, name: str, info: Info | None) -> None:
        """Fetch a text for people."""
        self._bounded(name, info, readmes.MAX_BYTES)

    def _whole(self, name: str, info: Info | None) -> None:
        info = info or self._asked(name)
        if info is not None:
            self.transfer.file(name, info, self._at(name))

    def _bounded(self, name: str, info: Info | None, most: int) -> None:
        info = info or self._asked(name)
        if info is None:
            return
        try:
            self.transfer.file(name, info, self._at(name), most=most)
        except SizeExceeded:
            hollow(self._at(name), most + 1)

    def _hollow(self, name: str, info: Info | None) -> None:
        """A file of which only its name, and perhaps its size, is looked at."""
        try:
            hollow(self._at(name), (info.size if info is not None else None) or 0)
        except OSError:
            hollow(self._at(name), 0)  # no file is so large, whatever the server says

    def _asked(self, name: str) -> Info | None:
        return retry_transient(partial(self.transfer.source.info, name))

    def _at(self, name: str) -> Path:
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def known_files(source: Source, names: Iterable[str]) -> dict[str, Info | None]:
    """Which of these files are there.

    Raises:
        Denied: the server hides whether there is any.
    """
    infos: dict[str, Info | None] = {}
    denied: Denied | None = None
    wanted = list(names)
    for name, answer in zip(wanted, source.infos(wanted), strict=True):
        if isinstance(answer, Denied):
            denied = answer
        elif isinstance(answer, Unreachable):
            infos[name] = retry_transient(partial(source.info, name), answer)
        else:
            infos[name] = answer
    # A page for people in the place of a file says that there is none, but sorry.
    found: dict[str, Info | None] = {name: info for name, info in infos.items() if info and not info.is_page}
    if not found and denied is not None:
        raise denied
    return found


def _infos(source: Source, names: Iterable[str], listed: dict[str, Info | None]) -> dict[str, Info | None]:
    """The same for files of which some are known from a list."""
    wanted = list(names)
    unknown = [name for name in wanted if listed.get(name) is None]
    asked = known_files(source, unknown) if unknown else {}
    return {name: listed.get(name) or asked.get(name) for name in wanted}


def _is_data(name: str) -> bool:
    return name.startswith("variables/") and ".data-" in name


def _fitting(files: dict[str, Info | None]) -> Iterator[tuple[str, Info | None]]:
    """The files that a folder can hold: some storages let a name be a file and a folder at once."""
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    yield from ((name, info) for name, info in sorted(files.items()) if name not in folders)
