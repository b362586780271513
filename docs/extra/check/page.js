// The page: takes modules, shows progress, and shows the report.

import { chosen, entriesOf, filesOf } from "./dropped.js";
import { Engine } from "./engine.js";

const find = (id) => document.getElementById(id);
const [drop, status, progress, cancel, result] = ["drop", "status", "progress", "cancel", "result"].map(find);
const MB = 1e6;

let current; // the AbortController of the check under way

function tell(text, { done, total, busy = false, error = false } = {}) {
  status.textContent = text;
  status.classList.toggle("error", error);
  find("work").ariaBusy = String(busy);
  progress.hidden = !busy;
  if (total) {
    progress.max = total;
    progress.value = done;
  } else progress.removeAttribute("value");
}

// Check what `take` returns, a promise of a list of {path, file}; a check under way is ended.
async function check(take) {
  current?.abort();
  const mine = (current = new AbortController());
  const begin = performance.now();
  result.hidden = true;
  cancel.hidden = false;
  try {
    tell("Listing files", { busy: true });
    const files = await take(mine.signal);
    mine.signal.throwIfAborted();
    if (files.length === 0) throw new Error("There is no file in it.");
    tell("Loading the checker", { busy: true });
    const loaded = await loading;
    await loaded.ready;
    mine.signal.throwIfAborted();
    tell("Checking", { busy: true });
    mine.signal.addEventListener("abort", () => loaded.cancel());
    const outcome = await loaded.check(files, ({ done, total }) => {
      if (total > 1) tell(`Checked ${done} of ${total} modules`, { busy: true, done, total });
    });
    mine.signal.throwIfAborted();
    if (outcome.error) throw new Error(outcome.error);
    show(outcome);
    tell(`Checked in ${((performance.now() - begin) / 1000).toFixed(1)} s.`);
  } catch (error) {
    if (mine !== current) return; // another check has begun
    tell(mine.signal.aborted ? "Cancelled." : error.message, { error: !mine.signal.aborted });
  } finally {
    if (mine === current) {
      current = undefined;
      cancel.hidden = true;
    }
  }
}

function show(outcome) {
  const verdict = find("verdict");
  verdict.textContent = outcome.headline;
  verdict.className = outcome.verdict;
  const toRun = find("to-run");
  toRun.hidden = outcome.to_run.length === 0;
  toRun.querySelector("p").replaceChildren(outcome.to_run_text, code("hubcheck validate"), ".");
  toRun.querySelector("ul").replaceChildren(...outcome.to_run.map(ruleLink));
  offer("save-html", outcome.html, "text/html");
  offer("save-json", outcome.json, "application/json");
  result.hidden = false;
  // A frame that was hidden stays blank with its next document, so each report gets a new one.
  const frame = find("report").cloneNode();
  frame.srcdoc = outcome.html;
  find("report").replaceWith(frame);
  verdict.focus({ preventScroll: true });
}

function code(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}

function ruleLink(rule) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `../rules/${rule}.html`;
  link.textContent = rule;
  item.append(link);
  return item;
}

function offer(id, text, type) {
  URL.revokeObjectURL(find(id).href);
  find(id).href = URL.createObjectURL(new Blob([text], { type }));
}

function choose(input) {
  const files = [...input.files];
  input.value = ""; // so that the same can be chosen again
  if (files.length > 0) check(async () => chosen(files));
}

for (const name of ["folder", "archive"]) {
  find(`choose-${name}`).addEventListener("click", () => find(name).click());
  find(name).addEventListener("change", () => choose(find(name)));
}
for (const button of document.querySelectorAll("[data-sample]")) {
  const name = button.dataset.sample;
  button.addEventListener("click", () => check(async () => [{ path: name, file: (await loading).samples[name] }]));
}
cancel.addEventListener("click", () => current?.abort());
// What misses the frame must not replace the page.
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget === null && drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = entriesOf(event.dataTransfer);
  if (entries.length === 0) return;
  check((signal) => filesOf(entries, signal, (count) => tell(`Listing files: ${count}`, { busy: true })));
});

const loading = Engine.load((done, total) => {
  if (current === undefined) tell(`Loading: ${(done / MB).toFixed(1)} of ${(total / MB).toFixed(1)} MB`, { busy: true, done, total });
});
tell("Loading", { busy: true });
try {
  const engine = await loading;
  if (current === undefined) tell("Starting Python", { busy: true });
  await engine.ready;
  if (current === undefined) tell("Ready. Nothing more is loaded from here on.");
} catch (error) {
  if (current === undefined) tell(`The checker could not be loaded: ${error.message}. Try again later, or use \`hubcheck validate\`.`, { error: true });
}
