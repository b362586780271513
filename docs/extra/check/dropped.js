// What a user dropped or chose, as a list of {path, file}. Nothing is read yet.

const MODULE_FILES = new Set(["saved_model.pb", "saved_model.pbtxt", "tfhub_module.pb", "saved_model.cpb"]);

const read = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
const listed = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

async function* below(entry, signal) {
  signal.throwIfAborted();
  if (entry.isFile) {
    yield { path: entry.fullPath.slice(1), file: await read(entry) };
    return;
  }
  const reader = entry.createReader();
  // Browsers list at most a hundred entries at a time.
  for (let some = await listed(reader); some.length > 0; some = await listed(reader)) {
    for (const child of some) yield* below(child, signal);
  }
}

// Entries must be taken while the event is handled; `files` may take its time.
export function entriesOf(transfer) {
  return [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
}

export async function filesOf(entries, signal, onCount) {
  const files = [];
  for (const entry of entries) {
    for await (const file of below(entry, signal)) {
      files.push(file);
      if (files.length % 500 === 0) onCount(files.length);
    }
  }
  return asModule(files);
}

export function chosen(list) {
  return asModule([...list].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

// The content of a module's folder, without the folder, gets one; a lone file of a module is none.
function asModule(files) {
  const loose = files.filter(({ path }) => MODULE_FILES.has(path));
  if (loose.length === 0) return files;
  if (files.length === 1) throw new Error(`Drop the whole folder that ${files[0].path} is in: a module is more than this file.`);
  return files.map(({ path, file }) => ({ path: `module/${path}`, file }));
}
