// The comparison of a page with that of another run.

// Checks that `page`, whose HTML is `html`, can be compared with other pages; a page without intervals has nothing to check.
export async function checkAnother(page, html, axe, found) {
  const panel = page.locator("#another");
  if (!html.includes("data-interval=")) {
    if (await panel.isVisible()) found("it offers a comparison without an interval");
    return;
  }
  await panel.locator("summary").click();
  const choose = (name, text) =>
    panel.locator("input[type=file]").setInputFiles({ name, mimeType: "text/html", buffer: Buffer.from(text) });
  const outcome = async (start) => {
    const status = panel.locator(".outcome", { hasText: start });
    await status.waitFor({ timeout: 10_000 }).catch(() => found(`the comparison does not say: ${start}`));
  };
  const words = () => panel.locator(".raw").evaluateAll((all) => all.map((it) => it.textContent.split(", ").at(-1)));

  await choose("notes.html", "<h1>Notes</h1>");
  await outcome("notes.html has no table of all stacks");

  await choose("same.html", html);
  await outcome("same.html: ");
  const factors = await panel.locator("td .factor").allTextContents();
  if (factors.length === 0 || factors.some((factor) => factor !== "1")) found(`a run is not 1 × itself: ${factors}`);
  if ((await words()).some((word) => word === "more" || word === "less")) found("a run differs from itself");
  if ((await panel.locator("h3").textContent()) !== "No setting differs") found("a setting differs from itself");

  // What is no table, and a table without what it needs.
  for (const [name, text] of [["empty.html", ""], ["broken.html", '<table class="decision"><tr><td data-interval="1 1">x</table>']]) {
    await choose(name, text);
    await outcome(`${name} has no table of all stacks`);
  }

  // A column of the same name whose figures were measured in another way is not compared.
  await choose("otherwise.html", html.replace(/data-measured="[^"]*"/, 'data-measured="something else"'));
  await outcome("under other conditions: ");

  // The last stack takes half of the time in the other run, which had another seed.
  const row = /<tr class="[^"]*" data-protocol=[^]*?<\/tr>/g;
  const last = html.match(row).at(-1);
  const halved = last.replace(/data-(value|interval)="([\d. ]+)"/g, (_, name, numbers) =>
    `data-${name}="${numbers.split(" ").map((number) => number / 2).join(" ")}"`);
  const stack = last.match(/<th [^>]*data-value="([^"]*)"/)[1];
  const settings = html.replace(/(<dt>seed<\/dt><dd>)\d+/, "$17").replace(/(<dt>measurement<\/dt><dd>)/, `$1${"long ".repeat(60)}`);
  await choose("faster.html", settings.replace(last, halved));
  await outcome("faster.html: ");
  await panel.locator("h3", { hasText: "Settings that differ" }).waitFor({ timeout: 10_000 }).catch(() => found("no setting differs"));
  await panel.locator("input[type=checkbox]").check();
  await outcome("without a certain difference are hidden");
  const left = await panel.locator("tbody th.name").allTextContents();
  if (left.join() !== stack) found(`${left} remain instead of ${stack}`);
  if ((await words()).some((word) => word !== "more")) found(`${stack} does not take more: ${await words()}`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (overflow > 0) found(`with another run, the page is ${overflow} pixels wider than the window`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  for (const { id, help, nodes } of violations) found(`axe-core, ${id}: ${help}: ${nodes[0].html.slice(0, 200)}`);
}
