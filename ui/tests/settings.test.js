// Settings, the first run, what developers see, and what becomes of a part of the window that cannot be loaded.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { checksOn, id, play, raise } from "./stage.js";

let stage;
before(async () => (stage = await raise()));
after(() => stage?.fall());

const on = checksOn(() => stage);

const said = (page, of) => page.locator(of).innerText();
const set = (page) => page.evaluate(() => window.pilotlightFake.settings());

async function openSettings(page) {
  await page.click(id("nav-settings"));
  await page.waitForSelector(id("setting-theme"));
}

describe("the settings", () => {
  it("are kept as soon as they are chosen", on("one", async (page) => {
    await openSettings(page);
    await page.selectOption(id("setting-theme"), "dark");
    await page.uncheck(id("setting-tray"));
    await page.check(id("setting-autostart"));
    await page.fill(id("setting-leeway"), "120");
    await page.press(id("setting-leeway"), "Enter");
    await page.getByText("Saved.").waitFor();
    const now = await set(page);
    assert.deepEqual([now.theme, now.tray, now.autostart, now.leeway], ["dark", false, true, 120]);
    await page.fill(id("setting-leeway"), "");
    await page.click(id("save-leeway"));
    await page.waitForFunction(() => window.pilotlightFake.settings().leeway === null);
  }));

  it("refuse in the field what cannot be, and keep what was", on("one", async (page) => {
    await openSettings(page);
    await page.fill(id("setting-proxy"), "http://ada:secret@proxy");
    await page.press(id("setting-proxy"), "Enter");
    await page.waitForSelector(`${id("setting-proxy")}[aria-invalid="true"]`);
    assert.match(await said(page, 'section[aria-labelledby="set-network"]'), /without a password/);
    assert.equal((await set(page)).proxy, "system");
  }));

  it("tell of a switch that could not be kept, and leave it as it is", on("one", async (page) => {
    await openSettings(page);
    await play(page, "failNext", "vault_io");
    await page.click(id("setting-tray"));
    await page.waitForSelector(`${id("problem")}[data-code="vault_io"]`);
    assert.equal(await page.isChecked(id("setting-tray")), true);
  }));

  it("change the language of the whole window, and follow the system again", on("one", async (page) => {
    await openSettings(page);
    await page.selectOption(id("setting-language"), "zh");
    await page.getByRole("heading", { level: 1, name: "设置" }).waitFor();
    await page.selectOption(id("setting-language"), "system");
    await page.getByRole("heading", { level: 1, name: "Settings" }).waitFor();
  }));

  it("lead to the storage", on("one", async (page) => {
    await openSettings(page);
    assert.equal(await said(page, id("setting-storage")), "Encrypted database");
    await page.click(id("change-storage"));
    await page.waitForSelector(id("storage-facts"));
  }));

  it("tell what of their file is not understood", on("one", async (page) => {
    await play(page, "setSettings", { faults: ["theme cannot be set to that."] });
    await openSettings(page);
    assert.match(await said(page, id("setting-faults")), /theme cannot be set to that/);
  }));

  it("write a report, say what it holds before and where it is after", on("accounts", async (page) => {
    await openSettings(page);
    assert.match(await said(page, 'section[aria-labelledby="set-report"]'), /no token, no password and no key/);
    await page.click(id("write-report"));
    await page.getByText("pilotlight-report-").waitFor();
    await play(page, "failNext", "bad_input");
    await page.click(id("write-report"));
    await page.waitForSelector(`${id("problem")}[data-code="bad_input"]`);
  }));
});

describe("developer mode", () => {
  it("alone shows the lab, the journal as it is, and how to have a token by hand", on("accounts", async (page) => {
    await page.click(id("nav-activity"));
    await page.waitForSelector(id("event-row"));
    assert.equal(await page.locator(id("raw-event")).count(), 0);
    await page.click(id("nav-storage"));
    await page.waitForSelector(id("storage-facts"));
    assert.equal(await page.locator(id("open-lab")).count(), 0);
    await openSettings(page);
    assert.equal(await page.locator(id("token-by-hand")).count(), 0);
    await page.check(id("setting-developer"));
    await page.waitForSelector(id("token-by-hand"));
    assert.match(await said(page, id("token-by-hand")), /pilotlight token 'ada'/);
    await page.click(id("nav-activity"));
    await page.waitForSelector(id("raw-event"));
    await page.click(id("nav-storage"));
    await page.waitForSelector(id("open-lab"));
  }));
});

describe("the first run", () => {
  it("tells in three steps what it does, how it keeps sign-ins, and has a first account added", on("first", async (page) => {
    assert.equal(await said(page, id("welcome-step")), "Step 1 of 3");
    await page.click(id("welcome-next"));
    assert.match(await said(page, id("welcome-kept")), /encrypted in a file on this computer, and the key is in Secret Service/);
    await page.click(id("welcome-back"));
    await page.click(id("welcome-next"));
    await page.click(id("welcome-next"));
    await page.getByRole("heading", { level: 1, name: "Add a first account" }).waitFor();
    await page.click(id("sign-in-browser-0"));
    await page.waitForSelector(id("pending"));
    await play(page, "finishBrowser");
    await page.waitForSelector(id("account-card"));
    await page.waitForFunction(() => window.pilotlightFake.settings().welcomed);
  }));

  it("is skipped with one word and does not come back", on("first", async (page) => {
    await page.click(id("welcome-skip"));
    await page.waitForSelector(id("sign-in-browser-0"));
    assert.equal(await page.locator(id("welcome")).count(), 0);
    assert.equal((await set(page)).welcomed, true);
    await page.click(id("nav-activity"));
    await page.click(id("nav-accounts"));
    await page.waitForSelector(id("sign-in-browser-0"));
    assert.equal(await page.locator(id("welcome")).count(), 0);
  }));

  it("leads to the other ways to keep sign-ins", on("first", async (page) => {
    await page.click(id("welcome-next"));
    await page.click(id("welcome-storage"));
    await page.waitForSelector(id("use-encrypted-file"));
  }));
});

it("a part that cannot be loaded says so and offers to load the window again", async () => {
  const page = await stage.open("one");
  await page.route(/\/assets\/Settings-/, (route) => route.abort());
  await page.click(id("nav-settings"));
  await page.waitForSelector(id("not-loaded"));
  await page.unroute(/\/assets\/Settings-/);
  await page.getByRole("button", { name: "Load the window again" }).click();
  await page.waitForSelector(id("account-card"));
  await openSettings(page);
  await page.context().close();
});

it("a part that takes a moment says nothing at first, then asks for one", async () => {
  const page = await stage.open("one");
  let go;
  const held = new Promise((resolve) => (go = resolve));
  await page.route(/\/assets\/Settings-/, async (route) => {
    await held;
    await route.continue();
  });
  await page.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => {
      const word = document.querySelector('[data-testid="loading"]');
      if (word) window.seen.push(word.hidden);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  await page.click(id("nav-settings"));
  await page.locator(id("loading")).waitFor({ state: "visible" });
  assert.equal((await page.evaluate(() => window.seen))[0], true, "nothing is said at first");
  go();
  await page.waitForSelector(id("setting-theme"));
  assert.equal(await page.locator(id("loading")).count(), 0);
  await page.context().close();
});
