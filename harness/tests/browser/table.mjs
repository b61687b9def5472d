// The table of all stacks, used by keyboard.

// Checks the table of `page`, which was opened at `url`; a page without one has nothing to check.
export async function checkTable(page, url, found) {
  if ((await page.locator("table.decision").count()) === 0) return;
  const before = await shown(page);
  if (before.vs !== "" || before.status !== `${before.stacks.length} of ${before.stacks.length} stacks`) {
    found(`the table does not show all stacks at first: ${before.status}`);
  }
  await checkSorting(page, found);
  await checkFilters(page, before, found);
  await checkBaselines(page, before, found);
  await checkExplanations(page, found);
  await checkAddress(page, url, found);
}

// What the table shows.
function shown(page) {
  return page.evaluate(() => {
    const table = document.querySelector("table.decision");
    const rows = [...table.tBodies[0].rows].filter((row) => row.checkVisibility());
    const sorted = table.querySelector("th[aria-sort]");
    const isFloor = (row) => row.classList.contains("floor");
    return {
      names: rows.map((row) => row.cells[1].textContent),
      stacks: rows.filter((row) => !isFloor(row)).map((row) => row.cells[1].textContent),
      factors: rows.map((row) => [...row.querySelectorAll(".factor")].map((factor) => factor.textContent).join(" ")),
      protocols: [...new Set(rows.filter((row) => !isFloor(row)).map((row) => row.dataset.protocol))],
      tied: rows.filter((row) => row.classList.contains("tied")).map((row) => row.cells[1].textContent),
      places: rows.map((row) => row.cells[0].textContent),
      values: rows.map((row) => row.cells[sorted.cellIndex].dataset.value).filter((value) => value !== undefined),
      key: sorted.dataset.key,
      isText: sorted.dataset.text !== undefined,
      order: sorted.getAttribute("aria-sort"),
      vs: document.querySelector("select[name=vs]").value,
      status: document.getElementById("shown").textContent,
    };
  });
}

// Moves the focus forward with the Tab key until `selector` has it.
async function tabTo(page, selector) {
  for (let presses = 0; presses < 100; presses += 1) {
    if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) return true;
    await page.keyboard.press("Tab");
  }
  return false;
}

// Every column is reached with Tab and sorted with Enter: ascending first, then descending.
async function checkSorting(page, found) {
  const keys = await page.$$eval("table.decision thead th[data-key]", (all) => all.map((heading) => heading.dataset.key));
  await page.locator("#controls select").first().focus();
  for (const key of keys) {
    if (!(await tabTo(page, `th[data-key="${key}"] button`))) {
      found(`the Tab key does not reach the heading of ${key}`);
      return;
    }
    // The column that is sorted already would change to descending first.
    const start = await shown(page);
    const orders = start.key === key && start.order === "ascending" ? ["descending", "ascending"] : ["ascending", "descending"];
    for (const order of orders) {
      await page.keyboard.press("Enter");
      const now = await shown(page);
      const compare = (a, b) => (now.isText ? a.localeCompare(b) : a - b) * (order === "ascending" ? 1 : -1);
      const isSorted = now.values.every((value, index) => index === 0 || compare(now.values[index - 1], value) <= 0);
      if (now.key !== key || now.order !== order || !isSorted) found(`${key} is not sorted ${order}: ${now.values}`);
    }
  }
}

// Every option of every filter, chosen with the arrow keys, leaves some stacks and hides others; floors stay.
async function checkFilters(page, before, found) {
  const filters = await page.$$eval("#controls select:not([name=vs])", (all) =>
    all.map(({ name, options }) => ({ name, options: [...options].map(({ value }) => value) })));
  for (const { name, options } of filters) {
    const select = page.locator(`select[name=${name}]`);
    await select.focus();
    for (const option of options.slice(1)) {
      await page.keyboard.press("ArrowDown");
      const now = await shown(page);
      const isPart = now.stacks.length > 0 && now.stacks.length < before.stacks.length;
      if ((await select.inputValue()) !== option || !isPart) found(`${name} = ${option} leaves ${now.stacks}`);
      if (name === "protocol" && String(now.protocols) !== option) found(`protocol = ${option} leaves ${now.protocols}`);
      const floors = ({ names, stacks }) => names.length - stacks.length;
      if (floors(now) !== floors(before)) found(`${name} = ${option} hides a floor`);
      if (!now.status.startsWith(`${now.stacks.length} of `)) found(`${name} = ${option}: ${now.status}`);
    }
    await page.keyboard.press("Home");
  }
}

// Beside another baseline the factors change, and the baseline is 1.
async function checkBaselines(page, before, found) {
  await page.locator("select[name=vs]").focus();
  for (const stack of before.stacks.slice(0, 2)) {
    await page.locator("select[name=vs]").selectOption(stack);
    const now = await shown(page);
    const own = now.factors[now.names.indexOf(stack)];
    if (!own.split(" ").every((factor) => factor === "1")) found(`beside ${stack}, its factors are ${own}`);
    if (String(now.factors) === String(before.factors)) found(`beside ${stack} nothing changes`);
  }
  await page.locator("#reset").focus();
  await page.keyboard.press("Enter");
  const now = await shown(page);
  for (const part of ["names", "factors", "places", "tied", "key", "order", "vs"]) {
    if (String(now[part]) !== String(before[part])) found(`after a reset, ${part} is ${now[part]} instead of ${before[part]}`);
  }
}

// The focus and the pointer show unit, blocks and interval of a cell; Escape hides them.
async function checkExplanations(page, found) {
  const tip = page.locator("#tip");
  await page.locator("table.decision thead button").last().focus();
  if (!(await tabTo(page, "table.decision td"))) return found("the Tab key does not reach the cells");
  const texts = [];
  for (const key of ["ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft"]) {
    await page.keyboard.press(key);
    if (!(await tip.isVisible())) found(`after ${key} no text is shown`);
    texts.push(await tip.textContent());
    const described = await page.evaluate(() => document.activeElement.getAttribute("aria-describedby"));
    if (described !== "tip") found(`after ${key} the cell is not described`);
  }
  if (new Set(texts).size !== texts.length) found(`different cells show the same text: ${texts}`);
  for (const text of texts) {
    if (!/ (µs|bytes) /.test(text) || !/block|counted/.test(text)) found(`without unit or blocks: ${text}`);
  }
  await page.keyboard.press("Escape");
  if (await tip.isVisible()) found("Escape does not hide the text");
  await page.locator("table.decision td[data-about]").last().hover();
  if (!(await tip.isVisible())) found("the pointer shows no text");
}

// The address names the state, and restores it in another window; whatever else it names is ignored.
async function checkAddress(page, url, found) {
  if (page.url() !== url) found(`at first the address is ${page.url()}`);
  const headings = page.locator("table.decision thead button");
  await headings.last().press("Enter");
  await headings.last().press("Enter");
  await page.locator("#controls select").first().press("ArrowDown");
  await page.locator("#controls select").last().press("ArrowDown");
  const state = await shown(page);
  if (!page.url().includes("order=descending") || !page.url().includes("vs=")) found(`the address is ${page.url()}`);
  const other = await page.context().newPage();
  await other.goto(page.url());
  const restored = await shown(other);
  if (JSON.stringify(restored) !== JSON.stringify(state)) {
    found(`the address restores ${JSON.stringify(restored)} instead of ${JSON.stringify(state)}`);
  }
  const third = await page.context().newPage();
  await third.goto(`${url}#sort=nothing&order=up&vs=%3Cscript%3E&protocol=none&else=1`);
  const ignored = await shown(third);
  if (ignored.key === "nothing" || ignored.order !== "ascending" || ignored.vs !== "") {
    found(`an address with unknown values gives ${JSON.stringify(ignored)}`);
  }
}
