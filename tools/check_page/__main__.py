"""Make the page that checks modules in the browser work: `python -m tools.check_page build/docs`, after the site.

Fetches what pins.toml lists, with npm and pip, compiles it and hubcheck for Pyodide with Node, and writes it to
`check/files` in the site. Downloads are kept in build/check_page.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from hubcheck import __version__
from hubcheck.report.html import source_hashes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PINS = HERE / "pins.toml"
DOWNLOADS = ROOT / "build" / "check_page"
LEFT_OUT = ("author", "cli", "hub", "templates", "testing")
"""Packages of hubcheck that no static check imports."""
SAMPLES = {"good.zip": "a_good_feature_vector", "bad.zip": "e_fixed_batch_1"}
_PYODIDE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm")
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".zip": "application/zip"}


class Unavailable(Exception):
    """Something that the page needs cannot be had; the message says what."""


def write(site: Path, protobuf: Path | None = None) -> None:
    """Write the files of the page to a site that Sphinx has built.

    Args:
        site: the folder of the site.
        protobuf: a compiled wheel of protobuf for this Pyodide, as its lock file names it, instead of the one in pure
            Python: it reads large modules several times faster.

    Raises:
        Unavailable: a registry or Node cannot be had, or what they deliver is not what is pinned.
    """
    pins = tomllib.loads(PINS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        pyodide, sources, out = (Path(scratch) / name for name in ("pyodide", "sources", "out"))
        _fetch_pyodide(pins["pyodide"], pyodide)
        lock = json.loads((pyodide / "pyodide-lock.json").read_text(encoding="utf-8"))
        for name, pin in pins["wheels"].items():
            if name == "protobuf" and protobuf is not None:
                wheel = _checked(protobuf, lock["packages"]["protobuf"]["sha256"])
            else:
                wheel = _fetch_wheel(name, pin)
            with zipfile.ZipFile(wheel) as archive:
                members = [member for member in archive.namelist() if member.startswith(f"{pin['folder']}/")]
                # Libraries are of another machine, except those of the wheel that was given.
                archive.extractall(sources, [m for m in members if wheel == protobuf or not m.endswith(".so")])
        shutil.copytree(ROOT / "hubcheck", sources / "hubcheck", ignore=shutil.ignore_patterns("__pycache__"))
        for name in LEFT_OUT:
            shutil.rmtree(sources / "hubcheck" / name)
        shutil.copytree(ROOT / "rules", sources / "rules")
        shutil.copy(HERE / "browser_check.py", sources)
        out.mkdir()
        _run(["node", HERE / "compile.mjs", pyodide, sources, out], "Node could not compile for Pyodide")
        _write_files(site / "check", pyodide, sources, out, {"info": lock["info"], "packages": {}})


def _write_files(page: Path, pyodide: Path, sources: Path, out: Path, lock: dict[str, object]) -> None:
    tree, parts = [], []
    position = 0
    for path, content in _tree(sources, out / "tree"):
        tree.append((path, position, position := position + len(content)))
        parts.append(content)
    contents = {name: (pyodide / name).read_bytes() for name in _PYODIDE}
    contents |= {"python_stdlib.zip": (out / "python_stdlib.zip").read_bytes(), "python.tree": b"".join(parts)}
    contents["worker.js"] = (page / "worker.js").read_bytes()
    for sample, module in SAMPLES.items():
        contents[sample] = _zipped(ROOT / "tests" / "data" / module, out / sample)
    shutil.rmtree(page / "files", ignore_errors=True)
    (page / "files").mkdir()
    listed = {}
    for name, content in contents.items():
        # No host needs to compress them, or to know their types.
        packed = gzip.compress(content, 9, mtime=0)
        (page / "files" / f"{name}.bin").write_bytes(packed)
        listed[name] = {"size": len(packed), "type": _TYPES.get(Path(name).suffix, "application/octet-stream")}
    manifest = {"hubcheck": __version__, "lock": lock, "files": listed, "tree": tree}
    (page / "files" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    text = (ROOT / "docs" / "extra" / "check" / "index.html").read_text(encoding="utf-8")
    for kind, source in source_hashes().items():
        text = text.replace(f"{{{kind}}}", source)
    (page / "index.html").write_text(text, encoding="utf-8")


def _tree(sources: Path, compiled: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files that Python sees, by their paths: byte code, and data that is no source."""
    for root in (compiled, sources):
        for file in sorted(root.rglob("*")):
            if file.is_file() and file.suffix not in (".py", ".pyi", ".c", ".typed", ".md"):
                yield file.relative_to(root).as_posix(), file.read_bytes()


def _zipped(module: Path, file: Path) -> bytes:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(module.rglob("*")):
            if path.is_file():
                archive.writestr(zipfile.ZipInfo(path.relative_to(module).as_posix()), path.read_bytes())
    return file.read_bytes()


def _fetch_pyodide(pin: dict[str, str], folder: Path) -> None:
    file = DOWNLOADS / f"pyodide-{pin['version']}.tgz"
    if not file.is_file():
        command = ["npm", "pack", f"pyodide@{pin['version']}", "--pack-destination", DOWNLOADS]
        _run(command, "npm could not fetch Pyodide")
    with tarfile.open(_checked(file, pin["sha256"])) as archive:
        archive.extractall(folder, filter="data")
    for path in (folder / "package").iterdir():
        path.rename(folder / path.name)


def _fetch_wheel(name: str, pin: dict[str, str]) -> Path:
    pattern = f"{name}-{pin['version']}-*.whl"
    if not list(DOWNLOADS.glob(pattern)):
        target = ["--platform", pin["platform"], "--python-version", "3.14", "--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", DOWNLOADS, *target]
        _run([*command, f"{name}=={pin['version']}"], f"pip could not fetch {name}")
    return _checked(next(DOWNLOADS.glob(pattern)), pin["sha256"])


def _checked(file: Path, sha256: str) -> Path:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != sha256:
        raise Unavailable(f"{file} is not what is pinned: its SHA-256 is {found}, not {sha256}")
    return file


def _run(command: list[str | Path], failure: str) -> None:
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Unavailable(f"{failure}: there is no {command[0]} here") from None
    if done.returncode != 0:
        raise Unavailable(f"{failure}: {done.stderr.strip()}")


def main() -> None:
    """Parse the arguments, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_page", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("site", type=Path, help="the folder of the built site")
    parser.add_argument("--protobuf", type=Path, help="a compiled wheel of protobuf for this Pyodide")
    arguments = parser.parse_args()
    try:
        write(arguments.site, arguments.protobuf)
    except Unavailable as error:
        sys.exit(f"Error: the page for the browser was not made: {error}")


if __name__ == "__main__":
    main()
