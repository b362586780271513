"""Run in Pyodide by compile.mjs: compile the standard library, and the packages in /sources, into /out.

Byte code is loaded in a third of the time that sources take. It belongs to one release of Python, so that very one
writes it.
"""

from __future__ import annotations

import importlib._bootstrap_external as bootstrap
import zipfile
from pathlib import Path

# Nothing that a check imports, even where it fails; most of the size of the library.
LEFT_OUT = {
    *("_pyrepl", "bdb", "cProfile", "cmd", "code", "ctypes", "curses", "dbm", "doctest", "ensurepip", "ftplib"),
    *("idlelib", "imaplib", "mailbox", "multiprocessing", "optparse", "pdb", "poplib", "profile", "pstats", "pydoc"),
    *("pydoc_data", "smtplib", "sqlite3", "tabnanny", "timeit", "tkinter", "trace", "turtle", "unittest", "venv"),
    *("wsgiref", "xml", "xmlrpc", "zipapp"),
}


def byte_code(source: str | bytes, name: str) -> bytes:
    """Return the content of a .pyc file, which is loaded without looking for a source."""
    code = compile(source, name, "exec", dont_inherit=True)
    return bytes(bootstrap._code_to_hash_pyc(code, bytes(8), checked=False))


with (
    zipfile.ZipFile("/pyodide/python_stdlib.zip") as library,
    zipfile.ZipFile("/out/python_stdlib.zip", "w") as compiled,
):
    for name in sorted(library.namelist()):
        if name.endswith(".py") and name.split("/")[0].removesuffix(".py") not in LEFT_OUT:
            info = zipfile.ZipInfo(f"{name}c")
            compiled.writestr(info, byte_code(library.read(name), name))
for file in sorted(Path("/sources").rglob("*.py")):
    target = Path("/out/tree") / file.relative_to("/sources").with_suffix(".pyc")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(byte_code(file.read_bytes(), str(file.relative_to("/sources"))))
