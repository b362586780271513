"use strict";
// The filter: rules by status and by text. Without this script, everything is shown.
const form = document.getElementById("filter");
const output = document.getElementById("shown");
function filter() {
  const statuses = new Set([...form.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value));
  const words = form.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of document.querySelectorAll("[data-status]")) {
    const text = row.textContent.toLowerCase();
    row.hidden = !statuses.has(row.dataset.status) || !words.every((word) => text.includes(word));
    if (!row.hidden && row.dataset.rule !== undefined) shown += 1;
  }
  for (const group of document.querySelectorAll("details.group")) {
    group.hidden = !group.querySelector("[data-status]:not([hidden])");
    if (words.length) group.open = true;
  }
  output.textContent = shown === 1 ? "1 rule shown" : `${shown} rules shown`;
}
form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();
