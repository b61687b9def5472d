// Compares the table of all stacks with that of another page, which the reader chooses or drops. The file is parsed and never
// shown: only text of it gets into this page.

const another = document.getElementById("another");
if (another) compareRuns(another);

function compareRuns(panel) {
  const [file, certain] = panel.querySelectorAll("input");
  const outcome = panel.querySelector(".outcome");
  const differing = panel.querySelector(".differing");
  const result = panel.querySelector(".scroll");
  const explanation = panel.querySelector(".explain");
  const mostBytes = 64 << 20;
  // From these factors on, a colour is stronger.
  const steps = panel.dataset.factors.split(" ").map(Number);
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, useGrouping: false });
  let other = null;
  let name = "";
  // The number of the last file that was taken: reading an earlier one may take longer.
  let latest = 0;

  // The columns and the cells of the table of `page`; null if it has none that can be compared.
  function figures(page) {
    const table = page.querySelector("table.decision");
    if (!table || !table.querySelector("[data-interval]")) return null;
    const columns = new Map();
    for (const heading of table.tHead.rows[0].cells) {
      const { key, delta, measured } = heading.dataset;
      const label = heading.querySelector(".label")?.textContent.trim();
      if (key && label && delta >= 0 && delta < 1) {
        columns.set(key, { label, measured, delta: Number(delta), at: heading.cellIndex });
      }
    }
    const rows = new Map();
    for (const row of table.tBodies[0].rows) rows.set(row.querySelector("th")?.dataset.value, row.cells);
    return { columns, rows };
  }

  // The interval of a cell, in the unit of its column; null without one.
  function interval(cell) {
    const [low, high] = (cell?.dataset.interval ?? "").split(" ").map(Number);
    const value = Number(cell?.dataset.value);
    return low > 0 && high >= low && high < 1e12 && value > 0 ? { low, value, high } : null;
  }

  // `own` as a multiple of `base`. Both intervals hold at once, so the ratio lies between low ÷ high and high ÷ low.
  function ratio(own, base, delta) {
    if (!own || !base) return null;
    const factor = own.value / base.value;
    const low = own.low / base.high;
    const high = own.high / base.low;
    // As for the statements of the report: a difference is certain if the interval of the ratio lies wholly beyond δ.
    const side = low > 1 + delta ? 1 : high < 1 / (1 + delta) ? -1 : 0;
    return { factor, low, high, side, isSame: low >= 1 / (1 + delta) && high <= 1 + delta };
  }

  // The settings of `page`: the values of each name, in order. A run always differs from others in its identifier.
  function settings(page) {
    const named = new Map();
    const add = (name, value) => named.set(name, [...(named.get(name) ?? []), value]);
    for (const term of page.querySelectorAll("#settings dl.settings dt")) {
      const name = term.textContent.trim();
      if (name !== "run") add(name, term.nextElementSibling?.textContent.trim() ?? "");
    }
    for (const { cells } of page.querySelectorAll("#settings tbody tr")) {
      const [stack, ...values] = [...cells].map((cell) => cell.textContent.trim());
      add(`stack ${stack}`, values.join(", "));
    }
    return named;
  }

  function element(name, text, properties = {}) {
    const made = Object.assign(document.createElement(name), properties);
    made.textContent = text;
    return made;
  }

  function row(cells) {
    const made = document.createElement("tr");
    made.append(...cells);
    return made;
  }

  // A table; `rows` have a name and further cells.
  function table(headings, rows) {
    const made = document.createElement("table");
    made.createTHead().append(row(headings.map((text) => element("th", text, { scope: "col" }))));
    made.createTBody().append(...rows);
    return made;
  }

  function showSettings() {
    const [own, theirs] = [settings(document), settings(other)];
    const names = [...new Set([...own.keys(), ...theirs.keys()])];
    const text = (of, name) => (of.get(name) ?? ["–"]).join("; ");
    // Which stacks are in both runs is said above.
    const isInBoth = (name) => !name.startsWith("stack ") || (own.has(name) && theirs.has(name));
    const rows = names
      .filter((name) => isInBoth(name) && text(own, name) !== text(theirs, name))
      .map((name) => row([
        element("th", name, { scope: "row" }),
        element("td", text(own, name)),
        element("td", text(theirs, name)),
      ]));
    differing.replaceChildren(element("h3", rows.length ? "Settings that differ" : "No setting differs"));
    if (rows.length) differing.append(table(["setting", "this run", "other run"], rows));
  }

  function cell(compared) {
    if (!compared) return element("td", "–");
    const { factor, low, high, side, isSame } = compared;
    const word = isSame ? "no difference" : side === 0 ? "undecided" : side > 0 ? "more" : "less";
    const step = 1 + steps.filter((limit) => Math.max(factor, 1 / factor) >= limit).length;
    const made = element("td", "", { className: side === 0 ? "" : `${side > 0 ? "more" : "less"}${step}` });
    const range = low === high ? word : `${number.format(low)}–${number.format(high)}, ${word}`;
    made.append(
      element("span", number.format(factor), { className: "factor" }),
      element("span", range, { className: "raw" }),
    );
    return made;
  }

  function show() {
    const [own, theirs] = [figures(document), figures(other)];
    const isCommon = ([key, { measured }]) => theirs.columns.get(key)?.measured === measured;
    const columns = [...own.columns].filter(isCommon);
    let [stacks, hidden, lacking] = [0, 0, 0];
    const rows = [];
    for (const [stack, cells] of own.rows) {
      if (!theirs.rows.has(stack)) continue;
      const compared = columns.map(([key, { at, delta }]) => {
        const base = theirs.columns.get(key);
        const both = [cells[at], theirs.rows.get(stack)[base.at]];
        const [mine, of] = both.map(interval);
        if ((!mine || !of) && both.every((cell) => cell?.dataset.value !== undefined)) lacking += 1;
        return ratio(mine, of, Math.max(delta, base.delta));
      });
      stacks += 1;
      if (certain.checked && !compared.some((it) => it && it.side !== 0)) {
        hidden += 1;
        continue;
      }
      rows.push([stack, row([element("th", stack, { scope: "row", className: "name" }), ...compared.map(cell)])]);
    }
    // The table on the page may be sorted in another way.
    rows.sort(([a], [b]) => a.localeCompare(b));
    showSettings();
    const labels = (columns) => columns.map(([, { label }]) => label).join(", ");
    const others = [...own.columns].filter((column) => !isCommon(column));
    const notes = [`${name}: ${stacks} of ${own.rows.size} stacks are in both runs`];
    if (hidden) notes.push(`${hidden} without a certain difference are hidden`);
    if (others.length) notes.push(`not compared, since not measured in the other run or under other conditions: ${labels(others)}`);
    if (lacking) notes.push(`${lacking} figures have no interval in one of the runs: too few blocks, a bound, or not exact`);
    outcome.textContent = `${notes.join("; ")}.`;
    const headings = ["stack", ...columns.map(([, { label }]) => label)];
    const shown = table(headings, rows.map(([, made]) => made));
    shown.className = "decision";
    result.replaceChildren(shown);
    result.hidden = explanation.hidden = rows.length === 0 || columns.length === 0;
  }

  function refuse(reason) {
    other = null;
    outcome.textContent = reason;
    differing.replaceChildren();
    result.hidden = explanation.hidden = true;
  }

  // The page in the file `chosen`; null if it is none with figures.
  async function read(chosen) {
    try {
      const page = new DOMParser().parseFromString(await chosen.text(), "text/html");
      return figures(page) && page;
    } catch {
      return null;
    }
  }

  async function take(chosen) {
    if (!chosen) return;
    latest += 1;
    const turn = latest;
    panel.open = true;
    if (chosen.size > mostBytes) return refuse(`${chosen.name} is larger than any page of a report.`);
    const page = await read(chosen);
    if (turn !== latest) return;
    if (!page) {
      return refuse(`${chosen.name} has no table of all stacks with intervals: it is not the page of a report, it is of an older `
        + "version, or its run has too few blocks.");
    }
    [other, name] = [page, chosen.name];
    show();
  }

  if (!figures(document)) return;
  panel.hidden = false;
  file.addEventListener("change", () => take(file.files[0]));
  certain.addEventListener("change", () => other && show());
  // Without this, a browser opens a file that is dropped beside the panel instead of the page.
  for (const kind of ["dragover", "drop"]) {
    addEventListener(kind, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
  panel.addEventListener("drop", (event) => {
    const { files } = event.dataTransfer;
    if (files.length) file.files = files;
    take(files[0]);
  });
}
