"""Download a module's files into a folder: all files for a run, else only what static checks read.

Static checks read of the weights only the file sizes and the object graph, so data files become sparse files with that
one entry. A file above its limit becomes a sparse file that is too large; the reader refuses it, as it does in folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from hubcheck.module.assets import MAX_ASSET_BYTES
from hubcheck.module.checkpoint import OBJECT_GRAPH_KEY, CheckpointError, read_index, shard_name
from hubcheck.module.file_names import MODULE_FILES, is_safe
from hubcheck.module.limits import LimitExceeded
from hubcheck.module.reader import read
from hubcheck.module.readmes import DOCUMENT_NAMES, MAX_DOCUMENT_BYTES
from hubcheck.module.tensors import CheckpointEntry
from hubcheck.remote.download_session import DownloadSession
from hubcheck.remote.remote_folder import FileInfo, SizeExceeded
from hubcheck.remote.requests import Files, existing_files, file_info, list_files
from hubcheck.util.errors import Unreachable

_INDEX = "variables/variables.index"
_SIZE_LIMITS = {
    "saved_model.pb": "proto_bytes",
    "saved_model.pbtxt": "text_bytes",
    "tfhub_module.pb": "metadata_bytes",
    "keras_metadata.pb": "metadata_bytes",
    _INDEX: "index_bytes",
}
"""The files that the reader parses, with the limits on their sizes."""
_USUAL_FILES = (*MODULE_FILES, "keras_metadata.pb", "fingerprint.pb", _INDEX, *DOCUMENT_NAMES)
"""The files that are requested where a server lists no folders."""


def download_module(session: DownloadSession, folder: Path, *, weights: bool) -> None:
    """Download a module into an empty folder.

    Args:
        session: where it comes from, and how much may be downloaded.
        folder: where it is put.
        weights: whether it will be run or loaded.

    Raises:
        LimitExceeded: it is larger than allowed.
        Unreachable: the server does not deliver it.
    """
    download = _ModuleDownload(session, folder, weights)
    listed = list_files(session.remote, session.limits)
    # A listing without saved_model.pb is not the listing of a module.
    if listed is not None and any(name in listed for name in MODULE_FILES):
        download.files(listed, is_complete=True)
        download.shards(listed)
    else:
        download.files(existing_files(session.remote, _USUAL_FILES), is_complete=False)
        download.shards({})
        download.assets()


def download_documents(session: DownloadSession, folder: Path, names: Iterable[str]) -> None:
    """Download those documents that exist; none if access to them fails."""
    download = _ModuleDownload(session, folder, weights=False)
    with suppress(Unreachable):
        for name, info in existing_files(session.remote, names).items():
            download.bounded(name, info, MAX_DOCUMENT_BYTES)


class _ModuleDownload:
    """The download of one module into one folder."""

    def __init__(self, session: DownloadSession, folder: Path, weights: bool) -> None:
        self._session, self._folder, self._weights = session, folder, weights
        self._remote, self._limits = session.remote, session.limits

    def files(self, files: Files, *, is_complete: bool) -> None:
        """Download all files but the weights, which `shards` does.

        Args:
            files: the files, with what is known about them.
            is_complete: whether these are all files of the module, so that they are all needed for a run.
        """
        for name, info in _without_folders(files):
            if name in _SIZE_LIMITS:
                self.bounded(name, info, self._limits.limit(_SIZE_LIMITS[name]).value)
            elif self._weights and is_complete:
                self._whole(name, info)
            elif name in DOCUMENT_NAMES:
                self.bounded(name, info, MAX_DOCUMENT_BYTES)
            elif is_complete and name.startswith("assets/"):
                self.bounded(name, info, MAX_ASSET_BYTES)
            elif not (name.startswith("variables/") and ".data-" in name):
                self._sparse(name, info)

    def shards(self, listed: Files) -> None:
        """Download the data files that the checkpoint's index names."""
        try:
            index = read_index(self._folder / _INDEX, self._limits)
        except (OSError, CheckpointError, LimitExceeded):
            return  # the reader will report it
        used_bytes: dict[int, int] = {}
        for entry in index.parts:
            used_bytes[entry.shard] = max(used_bytes.get(entry.shard, 0), entry.offset + entry.size)
        if len(used_bytes) > self._limits.files:
            raise LimitExceeded(self._limits.limit("files"), "data files are named by the checkpoint's index")
        names = {shard: f"variables/{shard_name('variables', shard, index.shards)}" for shard in sorted(used_bytes)}
        unlisted = [name for name in names.values() if listed.get(name) is None]
        infos = listed | (existing_files(self._remote, unlisted) if unlisted else {})
        graph = index.entries.get(OBJECT_GRAPH_KEY)
        for shard, name in names.items():
            info = infos.get(name)
            if info is None or not is_safe(name):
                continue
            if self._weights:
                if not (self._folder / name).exists():
                    self._whole(name, info)
                continue
            size = used_bytes[shard] if info.size is None else min(info.size, used_bytes[shard])
            self._sparse(name, FileInfo(size))
            if graph is not None and graph.shard == shard:
                self._object_graph(name, info, graph, size)

    def assets(self) -> None:
        """Download the assets that the graphs name."""
        variants = read(self._folder, self._limits).variants
        names = dict.fromkeys(f"assets/{asset.filename}" for variant in variants for asset in variant.assets)
        if len(names) > self._limits.files:
            raise LimitExceeded(self._limits.limit("files"), "assets are named by the graph")
        for name, info in _without_folders(existing_files(self._remote, filter(is_safe, names))):
            if self._weights:
                self._whole(name, info)
            else:
                self.bounded(name, info, MAX_ASSET_BYTES)

    def bounded(self, name: str, info: FileInfo | None, max_bytes: int) -> None:
        """Download a file that the reader parses; if it is too large, put a sparse file of that kind in its place."""
        try:
            self._whole(name, info, max_bytes)
        except SizeExceeded:
            create_sparse(self._path(name), max_bytes + 1)

    def _whole(self, name: str, info: FileInfo | None, max_bytes: int | None = None) -> None:
        info = info or file_info(self._remote, name)
        if info is not None:
            self._session.download(name, info, self._path(name), max_bytes=max_bytes)

    def _sparse(self, name: str, info: FileInfo | None) -> None:
        """Create a file of which only the name and perhaps the size matter."""
        size = info.size if info is not None else None
        try:
            create_sparse(self._path(name), size or 0)
        except OSError:
            create_sparse(self._path(name), 0)  # the server declares an impossible size

    def _object_graph(self, name: str, info: FileInfo, entry: CheckpointEntry, size: int) -> None:
        fits = entry.offset >= 0 and 0 < entry.size <= self._limits.limit("object_graph_bytes").value
        if fits and entry.offset + entry.size <= size:
            data = self._session.download_range(name, info, entry.offset, entry.size)
            with self._path(name).open("r+b") as file:
                file.seek(entry.offset)
                file.write(data)

    def _path(self, name: str) -> Path:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def create_sparse(file: Path, size: int) -> None:
    """Create a file of this size that takes no room on disk."""
    with file.open("wb") as out:
        os.truncate(out.fileno(), size)


def _without_folders(files: Files) -> list[tuple[str, FileInfo | None]]:
    """Return the files in order, without names that are also folders: some storages allow both."""
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    return sorted((name, info) for name, info in files.items() if name not in folders)
