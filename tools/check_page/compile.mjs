// Run by Node, with Pyodide: compile.mjs PYODIDE SOURCES OUT writes byte code that Pyodide can load; see compile.py.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [pyodideFolder, sources, out] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodideFolder}/pyodide.mjs`));
const pyodide = await loadPyodide({ indexURL: `${pyodideFolder}/` });
for (const [name, root] of Object.entries({ pyodide: pyodideFolder, sources, out })) {
  pyodide.FS.mkdirTree(`/${name}`);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root }, `/${name}`);
}
pyodide.runPython(readFileSync(new URL("compile.py", import.meta.url), "utf-8"));
