// Loads what checks need, once, and runs them in a worker that can be ended and started again without a request.

const FOLDER = new URL("files/", import.meta.url);

// The promise of the page's words: nothing that runs here later, the worker and the report included, makes requests.
function forbidRequests() {
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = "connect-src 'none'";
  document.head.append(policy);
}

async function fetched(name, count) {
  const response = await fetch(new URL(name, FOLDER));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  const counted = new TransformStream({
    transform(chunk, controller) {
      count(chunk.length);
      controller.enqueue(chunk);
    },
  });
  return response.body.pipeThrough(counted).pipeThrough(new DecompressionStream("gzip"));
}

async function loadedFiles(manifest, onProgress) {
  const total = Object.values(manifest.files).reduce((sum, file) => sum + file.size, 0);
  let done = 0;
  const count = (size) => onProgress((done += size), total);
  const load = async ([name, file]) => {
    const stream = await fetched(`${name}.bin`, count);
    return [name, await new Response(stream, { headers: { "Content-Type": file.type } }).blob()];
  };
  return Object.fromEntries(await Promise.all(Object.entries(manifest.files).map(load)));
}

export class Engine {
  #setup;
  #worker;
  #ready;
  #pending;

  // Fetch all files; `onProgress` is called with the bytes so far, and all bytes.
  static async load(onProgress) {
    const response = await fetch(new URL("manifest.json", FOLDER));
    if (!response.ok) throw new Error(`files/manifest.json: ${response.status} ${response.statusText}`);
    const manifest = await response.json();
    const engine = new Engine();
    const files = await loadedFiles(manifest, onProgress);
    engine.samples = { "good.zip": files["good.zip"], "bad.zip": files["bad.zip"] };
    engine.#setup = { manifest, files };
    for (const name of ["worker.js", "pyodide.mjs", "pyodide.asm.mjs"]) {
      engine.#setup[name] = URL.createObjectURL(files[name]);
    }
    forbidRequests();
    engine.#start();
    return engine;
  }

  // Resolves when the worker has started.
  get ready() {
    return this.#ready;
  }

  #start() {
    this.#worker = new Worker(this.#setup["worker.js"], { type: "module" });
    this.#ready = new Promise((resolve, reject) => {
      this.#worker.onerror = (event) => this.#fail(new Error(event.message ?? "the worker could not be started"), reject);
      this.#worker.onmessage = ({ data }) => {
        if (data.kind === "ready") resolve();
        else if (data.kind === "progress") this.#pending?.onProgress(data);
        else if (data.kind === "failed") this.#fail(new Error(`an internal error, please report it: ${data.message}`), reject);
        else this.#settle("resolve", JSON.parse(data.result));
      };
    });
    this.#ready.catch(() => {});
    this.#worker.postMessage(this.#setup);
  }

  #settle(how, value) {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.[how](value);
  }

  #fail(error, reject) {
    reject(error);
    if (this.#pending === undefined) return;
    this.#worker.terminate();
    this.#settle("reject", error);
    this.#start();
  }

  // Check files, a list of {path, file}: the result of browser_check.check.
  async check(files, onProgress) {
    await this.#ready;
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, onProgress };
      this.#worker.postMessage({ files });
    });
  }

  // End the check, and start another worker for the next one.
  cancel() {
    this.#worker.terminate();
    this.#settle("resolve", null);
    this.#start();
  }
}
