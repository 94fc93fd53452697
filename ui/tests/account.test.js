// The page of one account.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { checksOn, id, play, raise } from "./stage.js";

let stage;
before(async () => (stage = await raise()));
after(() => stage.fall());

const fresh = checksOn(() => stage);
/** Runs a check on a fresh page of `ada`'s account and holds the page to silence. */
const on = (scenario, check, options) =>
  fresh(
    scenario,
    async (page) => {
      await open(page, "ada");
      await check(page);
    },
    options,
  );
const open = async (page, name) => {
  await page.click(`${id("account-card")}[data-account="${name}"] ${id("open-account")}`);
  await page.waitForSelector(`${id("account-page")}[data-account="${name}"]`);
};
const said = (page, selector) => page.locator(selector).innerText();
const unfold = (page, name) => page.click(`${id(name)} > summary`);

describe("an account's page", () => {
  it("says in one line until when it lasts, and what that rests on", on("one", async (page) => {
    assert.equal(await said(page, id("headline")), "Signed in until at least February 4, 2026");
    const reasons = await said(page, id("reasons"));
    assert.match(reasons, /The service said so/);
    assert.match(reasons, /after 9 days\./);
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
  }, { frozen: true }));

  it("makes up no end where none is known, and passes over reasons that it does not know", on("one", async (page) => {
    await play(page, "amend", "ada", { refresh_expires_at_ms: null });
    await page.waitForFunction((of) => document.querySelector(of).textContent.includes("no end known"), id("headline"));
    assert.equal(await page.locator(`${id("reasons")} li`).count(), 1);
  }));

  it("is shown when the app is asked for it, from the tray for instance", on("one", async (page) => {
    await page.click(id("back"));
    await page.waitForSelector(id("account-card"));
    await play(page, "openAt", "ada");
    await page.waitForSelector(`${id("account-page")}[data-account="ada"]`);
  }));

  it("has an address: going back, forward and loading anew lead where one was", on("one", async (page) => {
    await page.goBack();
    await page.waitForSelector(id("account-card"));
    await page.goForward();
    await page.waitForSelector(id("account-page"));
    await page.reload();
    await page.waitForSelector(`${id("account-page")}[data-account="ada"]`);
    await page.click(id("back"));
    await page.waitForSelector(id("account-card"));
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    assert.equal(new URL(page.url()).hash, "");
  }));

  for (const keys of ["Escape", "Alt+ArrowLeft"]) {
    it(`is left by the keyboard (${keys}), and reached by it`, on("one", async (page) => {
      await page.keyboard.press(keys);
      await page.waitForSelector(id("account-card"));
      await page.locator(id("open-account")).focus();
      await page.keyboard.press("Enter");
      await page.waitForSelector(id("account-page"));
      assert.match(page.url(), /#account\/ada$/);
    }));
  }

  it("is not to be had of nobody", async () => {
    const page = await stage.open("one#account/nobody%");
    await page.waitForSelector(id("account-card"));
    assert.equal(await page.locator(id("account-page")).count(), 0);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  it("tells which programs were lent tokens, where it is kept, and what happened", on("one", async (page) => {
    await unfold(page, "programs");
    const names = await page.locator(`${id("borrower")} .what p:first-child`).allInnerTexts();
    assert.deepEqual(names, ["git", "program-that-asked-too-often"]);
    await unfold(page, "tokens");
    assert.match(await said(page, id("kept-by")), /Key in Secret Service/);
    assert.ok((await page.locator(`${id("history")} ${id("event-row")}`).count()) > 0);
    await play(page, "note", "ada", "resumed", "It was taken up again.");
    await play(page, "change", {});
    await page.waitForSelector(`${id("history")} [data-kind="resumed"]`);
  }));

  it("shows more of a long history a page at a time", on("one", async (page) => {
    for (let n = 0; n < 30; n += 1) await play(page, "note", "ada", "refreshed", `Refreshed ${n}.`);
    await play(page, "change", {});
    await page.waitForFunction((of) => document.querySelectorAll(of).length === 10, `${id("history")} ${id("event-row")}`);
    await page.click(id("more-history"));
    await page.waitForFunction((of) => document.querySelectorAll(of).length > 30, `${id("history")} ${id("event-row")}`);
  }));

  it("asks the service about devices only when somebody wants to see them, and signs out there", on("one", async (page) => {
    assert.equal(await page.locator(id("device")).count(), 0);
    await unfold(page, "devices");
    await page.waitForSelector(id("device"));
    assert.match(await page.locator(id("device")).first().innerText(), /This sign-in/);
    assert.equal(await page.locator(id("end-device")).count(), 3, "this one is signed out below");
    await page.locator(id("end-device")).nth(1).click();
    await page.waitForFunction((of) => document.querySelectorAll(of).length === 3, id("device"));
    await page.click(id("end-others"));
    await page.click(id("confirm-end-others"));
    await page.waitForFunction((of) => document.querySelectorAll(of).length === 1, id("device"));
    assert.match(await said(page, id("devices-list")), /nowhere else.*2 devices were signed out/s);
  }));

  for (const [code, words] of [["scope_missing", /scope “devices”/], ["devices_untold", /does not tell/]]) {
    it(`says why there is no list of devices (${code})`, on("one", async (page) => {
      await play(page, "failNext", code);
      await unfold(page, "devices");
      await page.waitForSelector(id("devices-none"));
      assert.match(await said(page, id("devices-none")), words);
    }));
  }

  it("asks for the right to see devices in place, and the account stays signed in meanwhile", on("one", async (page) => {
    await play(page, "failNext", "scope_missing");
    await unfold(page, "devices");
    await page.click(id("ask-for-devices"));
    await page.waitForSelector(`${id("account-page")}[data-state="signed-in"] ${id("pending")}`);
    await play(page, "finishBrowser");
    await page.waitForSelector(id("device"));
    await unfold(page, "tokens");
    assert.match(await said(page, id("tokens")), /offline_access devices/);
  }));

  it("offers a new sign-in before one that is going to end", on("one", async (page) => {
    assert.equal(await page.locator(id("sign-in-again")).count(), 0);
    await play(page, "amend", "ada", { refresh_due_at_ms: null, refresh_expires_at_ms: null });
    await page.click(id("sign-in-again"));
    await play(page, "finishBrowser");
    await page.waitForSelector(id("sign-in-again"), { state: "detached" });
    assert.equal(await page.locator(id("account-page")).count(), 1);
  }));

  it("asks how far a sign-out goes, and can be told to leave it", on("one", async (page) => {
    await page.click(id("sign-out"));
    assert.equal(await page.evaluate(() => document.activeElement?.dataset.testid), "stay", "the harmless answer has the focus");
    await page.keyboard.press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement?.dataset.testid), "sign-out");
    await page.click(id("sign-out"));
    await page.click(id("leave-here-only"));
    await page.click(id("confirm-sign-out"));
    await page.waitForSelector(id("sign-in-browser-0"));
    assert.equal(await play(page, "leftBy"), "here-only");
  }));

  it("offers to sign out of all devices only where the service tells of them", on("one", async (page) => {
    await page.click(id("sign-out"));
    assert.equal(await page.locator(id("leave-all-devices")).count(), 1);
    await play(page, "amend", "ada", { tells_devices: false });
    await page.waitForSelector(id("leave-all-devices"), { state: "detached" });
    await page.click(id("confirm-sign-out"));
    await page.waitForSelector(id("sign-in-browser-0"));
    assert.equal(await play(page, "leftBy"), "service");
  }));

  it("is signed in again in place, and refreshed", on("ended", async (page) => {
    assert.match(await said(page, id("headline")), /Signed out by the service/);
    await page.click(id("sign-in-again"));
    await page.waitForSelector(id("pending"));
    await play(page, "finishBrowser");
    await page.waitForSelector(`${id("account-page")}[data-state="signed-in"]`);
    await page.click(id("refresh-now"));
    await page.waitForFunction((of) => document.querySelector(of).textContent === "1", id("refreshes"));
  }));

  it("tells a wait and its reason once, before what it rests on", on("waiting", async (page) => {
    assert.match(await said(page, id("trouble")), /Still signed in/);
    assert.match(await page.locator(`${id("reasons")} li`).first().innerText(), /The service said so/);
  }));
});
