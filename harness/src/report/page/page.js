"use strict";

// The interactions of a report: the page is complete without them. All words and numbers about its run are in the page; this
// script only chooses between them.

// Print what is folded away, too.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});

const table = document.querySelector("table.decision");
if (table) interact(table);

function interact(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells].filter((cell) => cell.dataset.key);
  const controls = document.getElementById("controls");
  const selects = [...controls.querySelectorAll("select")];
  const baselines = selects.find((select) => select.name === "vs");
  const status = document.getElementById("shown");
  const rows = [...body.rows].map((row) => {
    const cells = headings.map((heading) => row.cells[heading.cellIndex]);
    return { row, cells, place: row.querySelector(".place"), versus: cells.map(comparisons) };
  });
  const order = [...rows];
  const stacks = rows.filter(({ row }) => !row.classList.contains("floor"));
  const initial = { sort: table.dataset.sort, order: "ascending" };
  for (const select of selects) initial[select.name] = "";
  let state = restored();

  // Every comparison of a cell: [text, class, words] for the column's own baseline, then for each stack.
  function comparisons(cell) {
    return cell.dataset.versus ? JSON.parse(cell.dataset.versus) : null;
  }

  // The state that the address names; what it does not name, or the page does not have, is as at first.
  function restored() {
    const named = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    const state = { ...initial };
    const accept = (name, values) => {
      if (values.includes(named.get(name))) state[name] = named.get(name);
    };
    accept("sort", headings.map((heading) => heading.dataset.key));
    accept("order", ["ascending", "descending"]);
    for (const select of selects) accept(select.name, [...select.options].map((option) => option.value));
    return state;
  }

  // Puts the state into the address, except what is as at first.
  function remember() {
    const named = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) if (value !== initial[name]) named.set(name, value);
    const hash = String(named);
    history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  }

  function show() {
    for (const select of selects) select.value = state[select.name];
    compare();
    sort(headings.find((heading) => heading.dataset.key === state.sort));
    filter();
    explained.settle();
  }

  function compare() {
    for (const { cells, versus } of rows) {
      cells.forEach((cell, column) => {
        if (!versus[column]) return;
        const [text, shade, words] = versus[column][baselines.selectedIndex];
        cell.querySelector(".factor").textContent = text;
        cell.className = shade;
        cell.dataset.words = words;
      });
    }
    for (const heading of headings) {
      const baseline = heading.querySelector(".baseline");
      if (baseline) baseline.textContent = "× " + (state.vs || baseline.dataset.own);
    }
  }

  // Sorts by the column of `heading`, and shades neighbours of which no two certainly differ.
  function sort(heading) {
    const column = headings.indexOf(heading);
    const sign = state.order === "ascending" ? 1 : -1;
    rows.sort((a, b) => {
      const [first, second] = [a, b].map(({ cells }) => cells[column].dataset.value);
      // Stacks without a figure come last in either order.
      if (first === undefined || second === undefined) {
        return (first === undefined) - (second === undefined) || order.indexOf(a) - order.indexOf(b);
      }
      const difference = "text" in heading.dataset ? first.localeCompare(second) : first - second;
      // Equal figures stay in the order of the page, whatever was sorted before.
      return sign * difference || order.indexOf(a) - order.indexOf(b);
    });
    body.append(...rows.map(({ row }) => row));
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", state.order);
    for (const { row, cells, place } of rows) {
      const { group, place: text } = cells[column].dataset;
      place.textContent = text || "";
      row.classList.toggle("tied", group !== undefined);
      row.classList.toggle("odd", group % 2 === 1);
    }
  }

  // Hides the stacks that do not fit. Floors stay, since the others are compared with them.
  function filter() {
    const filters = selects.filter((select) => select !== baselines && select.value);
    for (const { row } of stacks) {
      row.hidden = !filters.every(({ name, value }) => row.dataset[name].split(" ").includes(value));
    }
    status.textContent = `${stacks.filter(({ row }) => !row.hidden).length} of ${stacks.length} stacks`;
  }

  function change(changes) {
    Object.assign(state, changes);
    show();
    remember();
  }

  for (const heading of headings) {
    const label = heading.querySelector(".label");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...label.childNodes);
    label.append(button);
    button.addEventListener("click", () => {
      const sort = heading.dataset.key;
      change({ sort, order: sort === state.sort && state.order === "ascending" ? "descending" : "ascending" });
    });
  }
  for (const select of selects) select.addEventListener("change", () => change({ [select.name]: select.value }));
  document.getElementById("reset").addEventListener("click", () => change(initial));
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return;
    state = restored();
    show();
  });

  const explained = explain(table);
  controls.hidden = false;
  show();
  if (location.hash.includes("=")) table.closest("section").scrollIntoView();
}

// Shows what a cell is about beside it while the pointer or the focus is on it. One cell is in the order of the Tab key; the
// arrow keys move between cells.
function explain(table) {
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);
  let shown = null;

  const all = [...table.querySelectorAll("td[data-about]")];
  for (const cell of all) cell.removeAttribute("title");

  function hide() {
    if (shown) shown.removeAttribute("aria-describedby");
    shown = null;
    tip.hidden = true;
  }

  function open(cell) {
    hide();
    shown = cell;
    tip.textContent = `${cell.dataset.about} ${cell.dataset.words}.`;
    tip.hidden = false;
    cell.setAttribute("aria-describedby", tip.id);
    place();
  }

  function place() {
    if (!shown) return;
    const [at, size] = [shown, tip].map((element) => element.getBoundingClientRect());
    const left = Math.min(at.left + at.width / 2 - size.width / 2, innerWidth - size.width - 8);
    const isBelow = at.bottom + 6 + size.height < innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${isBelow ? at.bottom + 6 : at.top - 6 - size.height}px`;
  }

  // Puts `cell` into the order of the Tab key, and no other one.
  function stop(cell) {
    for (const other of all) other.tabIndex = other === cell ? 0 : -1;
  }

  function step(from, down, right) {
    const visible = [...table.tBodies[0].rows].filter((row) => !row.hidden);
    const row = visible[visible.indexOf(from.parentElement) + down];
    const to = row && row.cells[from.cellIndex + right];
    if (to && to.dataset.about) to.focus();
  }

  const cellOf = (event) => event.target.closest("td[data-about]");
  table.addEventListener("pointerover", (event) => (cellOf(event) ? open(cellOf(event)) : hide()));
  table.addEventListener("pointerleave", hide);
  table.addEventListener("focusin", (event) => {
    if (!cellOf(event)) return hide();
    stop(cellOf(event));
    open(cellOf(event));
  });
  table.addEventListener("focusout", hide);
  addEventListener("scroll", place, { capture: true, passive: true });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  table.addEventListener("keydown", (event) => {
    if (!steps[event.key] || !cellOf(event)) return;
    event.preventDefault();
    step(cellOf(event), ...steps[event.key]);
  });

  return {
    // After rows have moved or are hidden: hides the text, and keeps a visible cell in the order of the Tab key.
    settle() {
      hide();
      const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
      const first = rows.flatMap((row) => [...row.cells]).find((cell) => cell.dataset.about);
      if (first) stop(first);
    },
  };
}
