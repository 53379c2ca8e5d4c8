// Looks at the page at $1 in a browser: hostile messages, keys, themes, widths. With $2, screenshots go into that folder.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { chromium } = createRequire(`${process.env.NODE_PATH}/`)("playwright-core");
const [base, shots] = process.argv.slice(2);
const executablePath = process.env.WATERSHED_CHROMIUM || "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

/** A page that tells of everything that goes wrong in it. */
async function open(options, hash) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (line) => line.type() === "error" && wrong.push(line.text()));
  page.on("dialog", (dialog) => wrong.push(`dialog ${dialog.message()}`));
  page.on("request", (request) => request.url().startsWith(base) || wrong.push(`asks ${request.url()}`));
  await page.goto(base + hash);
  await page.locator("#live[data-state=live]").waitFor();
  const close = async (name) => {
    if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
    assert.deepEqual(wrong, [], name);
    assert.deepEqual(await context.cookies(), [], name);
    assert.ok(!(await page.title()).includes("taken"), "a message was obeyed");
    await context.close();
  };
  return { page, close };
}

try {
  // What messages hold is text, in payloads and in headers.
  const wide = { viewport: { width: 1400, height: 900 }, colorScheme: "dark" };
  const { page, close } = await open(wide, "#/stream/PLANNING_EVENTS");
  const messages = page.locator(".messages .message");
  await messages.nth(1).waitFor();
  const texts = (await messages.allInnerTexts()).join("\n");
  assert.ok(texts.includes("<img src=x onerror"), texts);
  assert.ok(texts.includes("12345678901234567890"), "a number is shown as it was sent");
  assert.match(texts, /X-Evil/i);
  assert.equal(await page.locator("main img, aside img, main script, aside script").count(), 0);

  // Keys lead everywhere.
  await page.keyboard.press("Escape");
  await page.locator("#detail").waitFor({ state: "hidden" });
  await page.keyboard.press("3");
  await page.locator("table[aria-label=Consumers] tbody tr").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("orch-planning-plan");
  assert.equal(await page.locator("table[aria-label=Consumers] tbody tr").count(), 1);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.locator("#detail h2").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("1");
  await page.locator(".canvas a.stream").first().waitFor();

  // What is published there arrives, and is counted.
  await page.keyboard.press("n");
  await page.locator("#publish [name=subject]").fill("planning.plan.approved");
  await page.locator("#publish [name=payload]").fill("by hand");
  await page.locator("#publish button[type=submit]").click();
  await page.locator("#publish .good").waitFor();
  assert.match(await page.locator("#publish .good").innerText(), /Stored in PLANNING_EVENTS as #3/);
  await page.keyboard.press("Escape");
  await page.locator('.canvas a.stream:has-text("PLANNING_EVENTS"):has-text("3 msgs")').waitFor();
  await close("dark");

  // Light, and as narrow as a telephone: nothing is cut off.
  const light = await open({ ...wide, colorScheme: "light" }, "#/");
  await light.page.locator(".canvas a.stream").first().waitFor();
  const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await ground(light.page), "rgb(244, 247, 248)");
  await light.close("light");
  const narrow = await open({ viewport: { width: 390, height: 844 }, colorScheme: "dark", deviceScaleFactor: 2 }, "#/");
  await narrow.page.locator(".blocks a.stream").first().waitFor();
  assert.equal(await ground(narrow.page), "rgb(11, 17, 22)");
  assert.ok(await narrow.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "wider than the screen");
  await narrow.close("phone");
} finally {
  await browser.close();
}
