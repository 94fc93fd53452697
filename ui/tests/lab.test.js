// The Storage Lab: who sees it, the matrix as it fills in, what a cell tells, and the advice.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { checksOn, id, play, raise } from "./stage.js";

let stage;
before(async () => (stage = await raise()));
after(() => stage?.fall());

const on = checksOn(() => stage);

async function openLab(page) {
  await page.click(id("nav-storage"));
  await page.click(id("open-lab"));
  await page.waitForSelector(id("lab-matrix"));
}

const verdict = (page, strategy, attack) => page.getAttribute(id(`cell-${strategy}-${attack}`), "data-verdict");
const ended = (page, words) =>
  page.waitForFunction(([of, words]) => document.querySelector(of).textContent.includes(words), [id("lab-end"), words]);

describe("the lab", () => {
  it("is entered from the storage and left to it, and the heading has the focus", on("developer", async (page) => {
    await openLab(page);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Storage Lab");
    await page.click(id("lab-back"));
    await page.waitForSelector(id("open-lab"));
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Storage");
  }));

  it("fills in its matrix, and tells what fell that should not have", on("developer", async (page) => {
    await openLab(page);
    assert.equal(await verdict(page, "sqlite-aead", "read-files"), "");
    await page.click(id("lab-start"));
    await ended(page, "should not have: 1 of the cells");
    assert.equal(await verdict(page, "sqlite-aead", "read-files"), "withstood");
    assert.equal(await verdict(page, "plain-file", "read-files"), "fell-as-expected");
    assert.equal(await verdict(page, "plain-file", "kill-commit"), "fell");
    assert.equal(await verdict(page, "memory", "kill-commit"), "not-applicable");
    assert.equal(await page.locator(id("cell-memory-dump-memory")).count(), 0, "it is none of the quick ones");
  }));

  it("attacks in every way where that is asked for", on("developer", async (page) => {
    await openLab(page);
    await page.selectOption(id("lab-which"), "all");
    await page.click(id("lab-start"));
    await ended(page, "Done.");
    assert.equal(await verdict(page, "sqlite-aead", "dump-memory"), "inconclusive");
  }));

  it("tells of a cell what was done and found there", on("developer", async (page) => {
    await openLab(page);
    await page.click(id("cell-plain-file-read-files"));
    assert.match(await page.innerText(id("cell-facts")), /not attacked yet[^]*How read-files is done/);
    await page.click(id("lab-start"));
    await ended(page, "Done.");
    const facts = await page.innerText(id("cell-facts"));
    assert.match(facts, /fell, as it says itself[^]*The reason of plain-file[^]*vault\.json, byte 123[^]*120 ms/);
  }));

  it("can be stopped, and goes on while another view is open", on("developer", async (page) => {
    await openLab(page);
    await play(page, "haltAt", "flip-bits");
    await page.click(id("lab-start"));
    await page.waitForSelector(id("lab-stop"));
    await page.click(id("nav-accounts"));
    await openLab(page);
    assert.equal(await verdict(page, "memory", "read-files"), "withstood");
    await page.click(id("lab-stop"));
    await ended(page, "Stopped early.");
    await page.waitForSelector(id("lab-start"));
  }));

  it("says why it could not begin", on("developer", async (page) => {
    await openLab(page);
    await play(page, "failNext", "vault_io");
    await page.click(id("lab-start"));
    await page.waitForSelector('[role="alert"]');
    await page.waitForSelector(id("lab-start"));
  }));

  it("measures what each strategy costs, and shows it by bars and figures", on("developer", async (page) => {
    await openLab(page);
    await page.click(id("measure"));
    await page.waitForSelector(id("cost-sqlite-aead"));
    await page.waitForSelector(id("measure"));
    assert.match(await page.innerText(id("cost-plain-file")), /2\.00 ms[^]*5\.00 ms/);
    await page.selectOption(id("cost-records"), { label: "1 record" });
    assert.match(await page.innerText(id("cost-plain-file")), /4 KiB on disk, 2 syncs[^]*20 µs/);
    await page.selectOption(id("cost-work"), { label: "Reading a record" });
    assert.match(await page.innerText(id("cost-plain-file")), /40 µs/);
    await play(page, "haltAt", "measuring");
    await page.click(id("measure"));
    assert.equal(await page.isDisabled(id("lab-start")), true, "one at a time");
    await page.click(id("measure-stop"));
    await page.waitForSelector(id("measure"));
  }));

  it("advises by three answers, with what it has seen", on("developer", async (page) => {
    await openLab(page);
    assert.equal(await page.innerText(id("advised")), "sqlite-aead");
    assert.match(await page.innerText(id("advice-evidence")), /Attack it here/);
    await page.selectOption(id("ask-against"), "nobody");
    assert.equal(await page.innerText(id("advised")), "plain-file");
    await page.click(id("lab-start"));
    await ended(page, "Done.");
    assert.match(await page.innerText(id("advice-evidence")), /0 withstood, 3 fell as it says itself, 1 fell otherwise/);
    await page.selectOption(id("ask-against"), "programs");
    assert.equal(await page.innerText(id("advised")), "encrypted-file");
    await page.selectOption(id("ask-tokens"), "many");
    assert.equal(await page.innerText(id("advised")), "hardware");
    await page.selectOption(id("ask-keystore"), "hosts");
    assert.equal(await page.innerText(id("advised")), "redis");
  }));
});
