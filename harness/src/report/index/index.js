"use strict";

// The filters of an index: the page is complete without them. Their state is in the address.

const controls = document.getElementById("controls");
const table = document.querySelector("table.records");
if (controls && table) interact(controls, table);

function interact(controls, table) {
  const selects = [...controls.querySelectorAll("select")];
  const status = document.getElementById("shown");
  const rows = [...table.tBodies[0].rows];

  // What the address names; what it does not name, or the page does not have, is not filtered.
  function restore() {
    const named = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    for (const select of selects) {
      const value = named.get(select.name) ?? "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
  }

  function remember() {
    const named = new URLSearchParams();
    for (const { name, value } of selects) if (value) named.set(name, value);
    const hash = String(named);
    history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  }

  function show() {
    const wanted = selects.filter(({ value }) => value);
    for (const row of rows) {
      // A list of protocols is separated by spaces; the names of machines and scenarios are whole.
      row.hidden = !wanted.every(({ name, value }) =>
        name === "protocol" ? row.dataset[name].split(" ").includes(value) : row.dataset[name] === value);
    }
    status.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} records`;
  }

  for (const select of selects) {
    select.addEventListener("change", () => {
      show();
      remember();
    });
  }
  document.getElementById("reset").addEventListener("click", () => {
    for (const select of selects) select.value = "";
    show();
    remember();
  });
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return;
    restore();
    show();
  });

  controls.hidden = false;
  restore();
  show();
  if (location.hash.includes("=")) table.closest("section").scrollIntoView();
}
