// How sign-ins are kept: what is shown of it, changing it, and opening or beginning a vault.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { checksOn, id, play, raise } from "./stage.js";

let stage;
before(async () => (stage = await raise()));
after(() => stage.fall());

const on = checksOn(() => stage);
const said = (page, selector) => page.locator(selector).innerText();
const focused = (page) => page.evaluate(() => document.activeElement?.dataset.testid ?? document.activeElement?.tagName);
const card = (name) => id(`strategy-${name}`);

/** Opens the page, and the question about one strategy. */
async function ask(page, strategy) {
  await page.click(id("nav-storage"));
  await page.click(id(`use-${strategy}`));
  await page.waitForSelector(id("move"));
}

describe("the storage", () => {
  it("shows what is in use first, and who would get what in words", on("accounts", async (page) => {
    await page.click(id("nav-storage"));
    await page.waitForSelector(card("sqlite-aead"));
    const names = await page.locator("[data-testid^=strategy-]").evaluateAll((all) => all.map((one) => one.dataset.testid));
    assert.equal(names[0], "strategy-sqlite-aead");
    assert.deepEqual(names.slice(-3), ["strategy-plain-sqlite", "strategy-plain-file", "strategy-of-tomorrow"]);
    assert.equal(await page.locator(id("use-sqlite-aead")).count(), 0, "what is in use is not offered");
    const words = (await said(page, card("sqlite-aead"))).replaceAll(/\s+/g, " ");
    assert.match(words, /^In use Encrypted database sqlite-aead Each sign-in is sealed on its own/);
    assert.match(words, /Thief of the disk gets nothing .* Your other programs gets every token Leaked backup it depends/);
    assert.match(words, /Needs your keystore\./);
    await page.click(`${card("sqlite-aead")} summary`);
    assert.match(await said(page, id("storage-facts")), /vault\.db[^]*3 sign-ins[^]*the keystore/);
  }));

  it("tells of a strategy that it does not know as the host does", on("one", async (page) => {
    await page.click(id("nav-storage"));
    assert.match(await said(page, card("of-tomorrow")), /of-tomorrow[^]*The host's own sentence[^]*Needs nothing else\./);
  }));

  it("is told at the foot of every page as it is", on("readable", async (page) => {
    assert.equal(await said(page, id("kept")), "Not encrypted");
  }));

  it("is said to be gone with the program where nothing is written", on("inmemory", async (page) => {
    assert.match(await said(page, id("kept")), /In memory only/);
  }));

  it("tells how many tokens are still to be rotated", on("accounts", async (page) => {
    await play(page, "leaveUnrotated", "work");
    await ask(page, "hardware");
    await page.click(id("move-start"));
    assert.match(await said(page, id("not-rotated")), /could not be rotated yet[^]*work/);
    await page.click(id("move-close"));
    assert.match(await said(page, id("to-rotate")), /1 token is still to be rotated/);
  }));
});

describe("changing it", () => {
  it("says what will happen, shows how far it is, and what came of it", on("accounts", async (page) => {
    await play(page, "haltAt", "verifying");
    await ask(page, "hardware");
    assert.match(await said(page, id("move")), /Copy every sign-in\s+Read the copy back and compare\s+Switch to it[^]*Rotate every token/);
    await page.click(id("move-start"));
    await page.waitForSelector(`${id("step-copying")}[data-state="now"]`);
    assert.equal(await page.locator(id("step-quieting")).getAttribute("data-state"), "done");
    assert.equal(await page.locator(id("step-rotating")).getAttribute("data-state"), "ahead");
    assert.match(await said(page, id("step-copying")), /2 of 3/);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(id("move")).count(), 1, "a move is not put away");
    await play(page, "goOn");
    assert.match(await said(page, id("moved")), /3 sign-ins are kept there now/);
    assert.equal(await focused(page), "move-title");
    await page.click(id("move-close"));
    await page.waitForSelector(id("move"), { state: "detached" });
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    assert.match(await said(page, card("hardware")), /^In use/);
    assert.match(await said(page, id("kept")), /security chip/);
  }));

  it("to a readable one takes its name, typed", on("one", async (page) => {
    await ask(page, "plain-file");
    assert.match(await said(page, id("move")), /readable on the disk/);
    for (const wrong of ["", "plain-sqlite", "Plain-File"]) {
      await page.fill(id("consent"), wrong);
      await page.click(id("move-start"));
      assert.equal(await page.locator(id("consent")).getAttribute("aria-invalid"), "true", wrong);
      assert.equal(await focused(page), "consent");
    }
    await page.fill(id("consent"), "plain-file");
    await page.click(id("move-start"));
    await page.waitForSelector(id("moved"));
    await page.click(id("move-close"));
    assert.equal(await said(page, id("kept")), "Not encrypted");
  }));

  it("to a passphrase takes it twice, and forgets it", on("one", async (page) => {
    await ask(page, "encrypted-file");
    await page.click(id("move-start"));
    assert.equal(await focused(page), "new-passphrase");
    await page.fill(id("new-passphrase"), "correct horse");
    await page.fill(id("new-passphrase-again"), "correct house");
    await page.click(id("move-start"));
    assert.match(await said(page, id("move")), /The two are not the same\./);
    assert.equal(await focused(page), "new-passphrase-again");
    await play(page, "failNext", "vault_io");
    await page.fill(id("new-passphrase-again"), "correct horse");
    await page.click(id("move-start"));
    await page.waitForSelector(`${id("problem")}[data-code="vault_io"]`);
    assert.doesNotMatch(await page.content(), /correct horse/);
  }));

  it("that does not succeed leaves everything as it was, and says so", on("one", async (page) => {
    await play(page, "failNext", "strategy_unavailable");
    await ask(page, "sqlcipher");
    await page.click(id("move-start"));
    assert.match(await said(page, id("move")), /It was not changed\s+Everything is as it was before\./);
    await page.click(id("move-close"));
    await page.waitForFunction((name) => document.activeElement?.dataset.testid === name, "use-sqlcipher");
    assert.match(await said(page, card("sqlite-aead")), /^In use/);
  }));

  it("is put off by Escape, and the focus is back where it was", on("one", async (page) => {
    await ask(page, "redis");
    await page.keyboard.press("Escape");
    await page.waitForFunction((name) => document.activeElement?.dataset.testid === name, "use-redis");
    assert.equal(await page.locator(id("move")).count(), 0);
  }));
});

describe("the check-up", () => {
  const what = (page) => page.locator(id("finding")).evaluateAll((all) => all.map(({ dataset }) => `${dataset.what} ${dataset.health}`));

  it("tells of each thing how it is, and what to do", on("damaged", async (page) => {
    await page.click(id("nav-storage"));
    await page.waitForSelector(id("finding"));
    assert.deepEqual(await what(page), ["home fine", "keystore fine", "vault fine", "records trouble", "clock note"]);
    assert.match(await said(page, `${id("finding")}[data-what="records"]`), /Records\s+Trouble\s+2 of 3[^]*Remove this one and sign in again/);
  }));

  it("mends with one button what can be mended by asking again", on("one", async (page) => {
    const locked = { what: "keystore", health: "trouble", text: "It is locked.", code: "keystore_locked", hint: "Unlock it.", mend: "retry" };
    await page.click(id("nav-storage"));
    await page.waitForSelector(id("finding"));
    await play(page, "find", locked);
    await page.click(id("look-again"));
    await page.waitForSelector(id("mend-retry"));
    await play(page, "find", { ...locked, health: "fine", code: null, hint: null, mend: null });
    await page.click(id("mend-retry"));
    await page.waitForSelector(`${id("finding")}[data-health="fine"]`);
    assert.equal(await page.locator(id("mend-retry")).count(), 0);
  }));

  it("stands on the screen of a vault that is out of reach too, and leads to a new beginning where there is one", on("keylost", async (page) => {
    await page.click(id("vault-check-up"));
    await page.waitForSelector(`${id("finding")}[data-what="vault"][data-health="trouble"]`);
    await page.click(id("mend-start-over"));
    await page.click(id("confirm-start-over"));
    await page.waitForSelector(id("sign-in-browser-0"));
  }));
});

describe("a vault under a passphrase", () => {
  it("is opened by it; a wrong one is told and forgotten", on("passphrase", async (page) => {
    assert.match(await said(page, id("vault-problem")), /locked by a passphrase/);
    assert.equal(await focused(page), "passphrase");
    await page.keyboard.press("Enter");
    assert.match(await said(page, id("vault-problem")), /Please fill this in/);
    await page.fill(id("passphrase"), "wrong");
    await page.keyboard.press("Enter");
    await page.waitForFunction((of) => /The passphrase is wrong/.test(document.querySelector(of).innerText), id("vault-problem"));
    assert.equal(await page.inputValue(id("passphrase")), "");
    assert.equal(await focused(page), "passphrase");
    await page.keyboard.type("correct");
    await page.keyboard.press("Enter");
    await page.waitForSelector(`${id("account-card")}[data-account="ada"]`);
    assert.match(await said(page, id("kept")), /under your passphrase/);
  }));

  it("that the keystore opens too offers both", on("eitherway", async (page) => {
    assert.equal(await page.locator(id("passphrase")).count(), 1);
    await page.click(id("vault-retry"));
    await page.waitForSelector(id("account-card"));
  }));
});

describe("without a keystore, and before there is a vault", () => {
  it("a person chooses this run only", on("nokeystore", async (page) => {
    assert.match(await said(page, id("begin")), /Nothing weaker is used by itself/);
    await page.click(id("begin-memory"));
    await page.waitForSelector(id("sign-in-browser-0"));
    assert.match(await said(page, id("kept")), /In memory only/);
  }));

  it("a person chooses a passphrase", on("nokeystore", async (page) => {
    await page.click(id("begin-passphrase"));
    assert.equal(await focused(page), "new-passphrase");
    await page.keyboard.type("correct horse");
    await page.click(id("begin-passphrase-use"));
    assert.equal(await focused(page), "new-passphrase-again");
    await page.keyboard.type("correct horse");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("sign-in-browser-0"));
    assert.match(await said(page, id("kept")), /under your passphrase/);
  }));

  it("what cannot be had is said, and the choice stands", on("nokeystore", async (page) => {
    await play(page, "failNext", "strategy_unavailable");
    await page.click(id("begin-memory"));
    await page.waitForSelector(`${id("begin")} ${id("problem")}`);
    assert.equal(await page.locator(id("begin-memory")).isEnabled(), true);
  }));

  it("a passphrase is asked for at once where that was chosen before", on("newpassphrase", async (page) => {
    assert.equal(await said(page, "main h1"), "Choose a passphrase");
    assert.equal(await focused(page), "new-passphrase");
  }));
});
