// The worker in which Pyodide runs. The page hands it all files; under the page's policy it cannot fetch any.

let pyodide;

async function start({ manifest, files, ...urls }) {
  // Pyodide fetches its parts by name.
  self.fetch = async (url) => new Response(files[new URL(url).pathname.split("/").at(-1)]);
  const [{ loadPyodide }, { default: createPyodideModule }] = await Promise.all([
    import(urls["pyodide.mjs"]),
    import(urls["pyodide.asm.mjs"]),
  ]);
  const tree = new Uint8Array(await files["python.tree"].arrayBuffer());
  pyodide = await loadPyodide({
    createPyodideModule,
    indexURL: `${self.origin}/`,
    lockFileContents: manifest.lock,
    stdout: () => {},
    stderr: () => {},
  });
  for (const [path, begin, end] of manifest.tree) {
    const file = `/hubcheck/${path}`;
    pyodide.FS.mkdirTree(file.slice(0, file.lastIndexOf("/")));
    pyodide.FS.writeFile(file, tree.subarray(begin, end), { canOwn: true });
  }
  pyodide.runPython("import sys; sys.path.insert(0, '/hubcheck')");
  check([{ path: "bad.zip", file: files["bad.zip"] }]); // so that the first check of a user need not import and parse
  postMessage({ kind: "ready" });
}

// Files are read where they are, when Python reads them, and only the parts that it reads.
function check(files, onProgress = () => {}) {
  const { FS } = pyodide;
  FS.mkdirTree("/dropped");
  FS.mount(FS.filesystems.WORKERFS, { blobs: files.map(({ path, file }) => ({ name: path, data: file })) }, "/dropped");
  try {
    return pyodide.pyimport("browser_check").check("/dropped", onProgress);
  } finally {
    FS.unmount("/dropped");
  }
}

self.onmessage = async ({ data }) => {
  try {
    if (pyodide === undefined) await start(data);
    else {
      const onProgress = (done, total) => postMessage({ kind: "progress", done, total });
      postMessage({ kind: "result", result: check(data.files, onProgress) });
    }
  } catch (error) {
    postMessage({ kind: "failed", message: String(error.message ?? error) });
  }
};
