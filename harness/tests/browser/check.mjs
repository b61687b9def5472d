// Opens pages of reports in Chromium, and checks what a reader sees and does.
//
//     node check.mjs --packages FOLDER --chromium PROGRAM PAGE...
//
// FOLDER has the packages of package.json. Every PAGE is checked at the sizes of a desk and of a phone, in light, in dark, in
// print and without JavaScript: nothing is written to the console, nothing but the page is requested, nothing scrolls
// sideways, and axe-core finds no violation. A page with recommendations shows them in its first screen; one with a table of
// all stacks can be sorted, filtered and explained by keyboard, its address restores its state, and it can be compared with another
// page.
//
// Prints what is wrong, and exits with 1 if anything is.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { checkAnother } from "./another.mjs";
import { checkTable } from "./table.mjs";

const { values: options, positionals: pages } = parseArgs({
  options: { packages: { type: "string" }, chromium: { type: "string" } },
  allowPositionals: true,
});
if (!options.packages || !options.chromium || pages.length === 0) {
  console.error("usage: node check.mjs --packages FOLDER --chromium PROGRAM PAGE...");
  process.exit(2);
}
const require = createRequire(pathToFileURL(resolve(options.packages, "package.json")));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// Root cannot use Chromium's sandbox, which containers often do not allow either. Nothing but local files is opened.
const SWITCHES = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
// A4 at 96 dots per inch.
const PAPER = { width: 794, height: 1123 };

const VIEWS = [
  { name: "desk, light", viewport: DESK },
  { name: "desk, dark", viewport: DESK, colorScheme: "dark" },
  { name: "phone, light", viewport: PHONE },
  { name: "phone, dark", viewport: PHONE, colorScheme: "dark" },
  { name: "print", viewport: PAPER, media: "print" },
  { name: "desk without JavaScript", viewport: DESK, isScripted: false },
  { name: "phone without JavaScript", viewport: PHONE, isScripted: false },
];

const problems = [];
const browser = await chromium.launch({ executablePath: options.chromium, args: SWITCHES });
try {
  const checks = pages.flatMap((file) => {
    const url = pathToFileURL(resolve(file)).href;
    const views = VIEWS.map((view) => () => inView(url, view, (page, found) => checkView(page, view, found)));
    const keyboard = { name: "keyboard", viewport: DESK };
    const another = { name: "another run", viewport: DESK };
    return [
      ...views,
      () => inView(url, keyboard, (page, found) => checkTable(page, url, found)),
      () => inView(url, another, (page, found) => checkAnother(page, readFileSync(file, "utf8"), axe, found)),
    ];
  });
  // Two at a time: each keeps about one core busy.
  await Promise.all([runAll(checks), runAll(checks)]);
} finally {
  await browser.close();
}
for (const problem of problems) console.error(problem);
process.exit(problems.length ? 1 : 0);

// Takes checks off the list and runs them, until none is left.
async function runAll(checks) {
  while (checks.length) await checks.shift()();
}

// Opens `url` in a view and runs `check`, which reports problems with its second argument.
async function inView(url, { name, media, isScripted = true, ...settings }, check) {
  const found = (text) => problems.push(`${decodeURIComponent(url)} (${name}): ${text}`);
  const context = await browser.newContext(settings);
  context.on("page", (page) => {
    page.on("console", (message) => found(`the console shows: ${message.text()}`));
    page.on("pageerror", (error) => found(`an error in the script: ${error.message}`));
    page.on("request", (request) => {
      if (request.url().split("#")[0] !== url) found(`it requests ${request.url()}`);
    });
  });
  const page = await context.newPage();
  // With JavaScript turned off in the browser, axe-core cannot run either. The page without its script is the same page.
  if (!isScripted) await context.route(url, (route) => route.fulfill({ body: withoutScript(url), contentType: "text/html" }));
  if (media) await page.emulateMedia({ media });
  await page.goto(url);
  await check(page, found);
  await context.close();
}

function withoutScript(url) {
  return readFileSync(fileURLToPath(url), "utf8").replace(/<script>[^]*<\/script>/, "");
}

async function checkView(page, view, found) {
  const { overflow, first, hidden } = await page.evaluate(() => {
    const root = document.documentElement;
    const bottom = (selector) => document.querySelector(selector)?.getBoundingClientRect().bottom ?? 0;
    // Without another run, there is nothing to print of its comparison.
    const folded = document.querySelectorAll("details:not(#another) > :not(summary)");
    return {
      overflow: root.scrollWidth - root.clientWidth,
      first: Math.max(...[".lead", ".needs", ".overview", ".facts"].map(bottom)),
      hidden: [...folded].filter((element) => !element.checkVisibility({ contentVisibilityAuto: true })).length,
    };
  });
  if (overflow > 0) found(`it is ${overflow} pixels wider than the window`);
  if (view.media === "print") {
    if (hidden > 0) found(`${hidden} parts are folded away in print`);
  } else if (first > view.viewport.height) {
    found(`the first screen ends at ${Math.round(first)} of ${view.viewport.height} pixels`);
  }
  if (view.isScripted === false) await checkWithoutScript(page, found);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  for (const { id, help, nodes } of violations) {
    found(`axe-core, ${id}: ${help}: ${nodes.length} times, first ${nodes[0].html.slice(0, 200)}`);
  }
}

// Without JavaScript the table is there, in order of its first column, and there are no controls that do nothing.
async function checkWithoutScript(page, found) {
  const { controls, values } = await page.evaluate(() => {
    const table = document.querySelector("table.decision");
    const column = table?.querySelector("th[aria-sort]").cellIndex;
    return {
      controls: document.getElementById("controls")?.checkVisibility() ?? false,
      values: [...(table?.tBodies[0].rows ?? [])].map((row) => row.cells[column].dataset.value),
    };
  });
  if (controls) found("there are controls that need JavaScript");
  const numbers = values.filter((value) => value !== undefined).map(Number);
  if (numbers.some((number, index) => index > 0 && number < numbers[index - 1])) found("the table is not in order");
}
