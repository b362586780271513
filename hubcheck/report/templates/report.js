"use strict";
// Unpacks the details of a module when it is opened; searches and sorts the list; copies texts.
// Without this script, the page of a few modules shows everything.
const form = document.getElementById("controls"); // a page of one module has none
const [search, order, output] = ["input", "select", "output"].map((name) => form?.querySelector(name));
const modules = [...document.querySelectorAll("details.module")];
const packed = [...document.querySelectorAll("script.block")];
const texts = new Map(modules.map((module) =>
  [module, `${module.querySelector("summary").textContent} ${module.dataset.rules}`.toLowerCase()]));
const groups = new Map([...document.querySelectorAll(".group")].map((group) => [group, group.open]));
const unpacked = new Map();

async function unpack(block) {
  const bytes = Uint8Array.from(atob(packed[block].textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).json();
}

async function fill(module) {
  const card = module.querySelector(".card");
  if (!packed.length || card.childElementCount) return;
  const index = modules.indexOf(module);
  const block = Math.floor(index / form.dataset.blockSize);
  if (!unpacked.has(block)) unpacked.set(block, unpack(block));
  const markup = (await unpacked.get(block))[index % form.dataset.blockSize];
  card.replaceChildren(...new DOMParser().parseFromString(markup, "text/html").body.childNodes);
  for (const image of card.querySelectorAll("img[data-image]")) {
    image.src = `data:image/png;base64,${document.getElementById(`image${image.dataset.image}`).textContent}`;
  }
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (text) => words.every((word) => text.includes(word));
  let shown = 0;
  for (const module of modules) {
    module.hidden = !fits(texts.get(module));
    shown += !module.hidden;
  }
  for (const row of document.querySelectorAll("[data-text]")) row.hidden = !fits(row.dataset.text);
  for (const part of document.querySelectorAll(".group, .failed-rules")) {
    part.hidden = !part.querySelector(".module:not([hidden]), [data-text]:not([hidden])");
  }
  for (const [group, open] of groups) group.open = open || words.length > 0;
  output.textContent = words.length ? `${shown} of ${modules.length} modules` : "";
}

const orders = {
  errors: (a, b) => modules.indexOf(a) - modules.indexOf(b),
  name: (a, b) => a.querySelector("h3").textContent.localeCompare(b.querySelector("h3").textContent, "en", { numeric: true }),
  seconds: (a, b) => b.dataset.seconds - a.dataset.seconds,
  order: (a, b) => a.id.slice(1) - b.id.slice(1),
};

function follow() {
  const [name, value] = decodeURIComponent(location.hash.slice(1)).split("=");
  if (name === "rule") {
    search.value = value;
    filter();
    form.scrollIntoView();
  } else {
    const module = modules.find((each) => each.id === name);
    if (module) {
      module.closest(".group")?.setAttribute("open", "");
      module.open = true;
      module.scrollIntoView();
    }
  }
}

async function copy(button) {
  const text = button.previousElementSibling.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

document.documentElement.classList.add("script");
document.addEventListener("toggle", (event) => {
  if (event.target.open && event.target.matches("details.module")) fill(event.target);
}, true);
document.addEventListener("click", (event) => {
  if (event.target.matches(".copy")) copy(event.target);
});
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("section.module details, details.module[open] details")) part.open = true;
});
if (form) {
  form.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", filter);
  order.addEventListener("change", () => {
    for (const list of document.querySelectorAll(".modules")) list.append(...[...list.children].sort(orders[order.value]));
  });
  addEventListener("hashchange", follow);
  follow();
}
