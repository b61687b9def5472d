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
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, useGrouping: false });
  let other = null;

  // The columns and the cells of the table of `page`; null if it has none that can be compared.
  function figures(page) {
    const table = page.querySelector("table.decision");
    if (!table || !table.querySelector("[data-interval]")) return null;
    const columns = new Map();
    for (const heading of table.tHead.rows[0].cells) {
      const { key, delta } = heading.dataset;
      const label = heading.querySelector(".label");
      if (key && delta !== undefined && label) {
        columns.set(key, { label: label.textContent.trim(), delta: Number(delta), at: heading.cellIndex });
      }
    }
    const rows = new Map();
    for (const row of table.tBodies[0].rows) rows.set(row.querySelector("th").dataset.value, row.cells);
    return { columns, rows };
  }

  // The interval of a cell, in the unit of its column; null without one.
  function interval(cell) {
    const [low, high] = (cell?.dataset.interval ?? "").split(" ").map(Number);
    const value = Number(cell?.dataset.value);
    return low > 0 && high >= low && value > 0 ? { low, value, high } : null;
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

  // The settings of `page`: the values of each name, in order.
  function settings(page) {
    const named = new Map();
    for (const term of page.querySelectorAll("#settings dl.settings dt")) {
      const value = term.nextElementSibling?.textContent.trim() ?? "";
      named.set(term.textContent.trim(), [...(named.get(term.textContent.trim()) ?? []), value]);
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
    const rows = names
      .filter((name) => text(own, name) !== text(theirs, name))
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
    const made = element("td", "", { className: side === 0 ? "" : side > 0 ? "more2" : "less2" });
    const range = low === high ? word : `${number.format(low)}–${number.format(high)}, ${word}`;
    made.append(
      element("span", number.format(factor), { className: "factor" }),
      element("span", range, { className: "raw" }),
    );
    return made;
  }

  function show() {
    const [own, theirs] = [figures(document), figures(other)];
    const columns = [...own.columns].filter(([key]) => theirs.columns.has(key));
    let [stacks, hidden] = [0, 0];
    const rows = [];
    for (const [stack, cells] of own.rows) {
      if (!theirs.rows.has(stack)) continue;
      const compared = columns.map(([key, { at, delta }]) => {
        const base = theirs.columns.get(key);
        const of = theirs.rows.get(stack)[base.at];
        return ratio(interval(cells[at]), interval(of), Math.max(delta, base.delta));
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
    const missing = [...own.columns].filter(([key]) => !theirs.columns.has(key)).map(([, { label }]) => label);
    const notes = [`${stacks} of ${own.rows.size} stacks are in both runs`];
    if (hidden) notes.push(`${hidden} without a certain difference are hidden`);
    if (missing.length) notes.push(`the other run lacks: ${missing.join(", ")}`);
    outcome.textContent = `${notes.join("; ")}.`;
    const headings = ["stack", ...columns.map(([, { label }]) => label)];
    const shown = table(headings, rows.map(([, made]) => made));
    shown.className = "decision";
    result.replaceChildren(shown);
    result.hidden = explanation.hidden = rows.length === 0;
  }

  function refuse(reason) {
    other = null;
    outcome.textContent = reason;
    differing.replaceChildren();
    result.hidden = explanation.hidden = true;
  }

  async function take(chosen) {
    if (!chosen) return;
    if (chosen.size > mostBytes) return refuse(`${chosen.name} is larger than any page of a report.`);
    const page = new DOMParser().parseFromString(await chosen.text(), "text/html");
    if (!figures(page)) {
      return refuse(`${chosen.name} has no table of all stacks with intervals: it is not the page of a report, it is of an older `
        + "version, or its run has too few blocks.");
    }
    other = page;
    show();
  }

  if (!figures(document)) return;
  panel.hidden = false;
  file.addEventListener("change", () => take(file.files[0]));
  certain.addEventListener("change", () => other && show());
  panel.addEventListener("dragover", (event) => event.preventDefault());
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}
