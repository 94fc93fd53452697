// A thousand accounts: what scrolling through them costs the page. Counted is the processor's time of the page's main thread,
// which another program on a busy machine does not lengthen as it does a time by the clock.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { id, play, raise } from "./stage.js";

/** A frame of sixty a second, in milliseconds. */
const FRAME = 1000 / 60;
const STEPS = 120;
/** A step of scrolling lasts two frames: the one in which it is told, and the one in which it is to be seen. */
const STEP = 2 * FRAME;

let stage;
before(async () => (stage = await raise()));
after(() => stage.fall());

/** Tells how much of the processor the main thread has had, in milliseconds. */
async function meter(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  };
}

/** Scrolls on and waits until it has been painted. */
const scroll = (page, by) =>
  page.evaluate(
    (far) =>
      new Promise((done) => {
        scrollBy(0, far);
        requestAnimationFrame(() => requestAnimationFrame(done));
      }),
    by,
  );

/** What each of many steps cost, least first. */
async function costs(page, by) {
  const spent = await meter(page);
  const all = [];
  let before = await spent();
  for (let step = 0; step < STEPS; step++) {
    await scroll(page, by);
    const now = await spent();
    all.push(now - before);
    before = now;
  }
  return all.sort((a, b) => a - b);
}

describe("a thousand accounts", () => {
  // Whole pages, thirty a second, are faster than anybody reads: there the middle counts.
  for (const [how, by, share] of [
    ["by the wheel", 120, 0.95],
    ["by whole pages", 600, 0.5],
  ]) {
    it(`scroll ${how} within the budget of their frames`, async (t) => {
      const page = await stage.open("many");
      await page.locator(id("account-card")).first().waitFor();
      // Half a page at first, so that the script is warm, as after a moment of use.
      for (let step = 0; step < 20; step++) await scroll(page, by);
      const all = await costs(page, by);
      const [half, most] = [0.5, 0.95].map((part) => all[Math.floor(STEPS * part)]);
      t.diagnostic(`two frames: ${half.toFixed(1)} ms of the processor in the middle, ${most.toFixed(1)} at 95 %, ${all.at(-1).toFixed(1)} at most`);
      const counted = all[Math.floor(STEPS * share)];
      assert.ok(counted <= STEP, `${counted} ms`);
      assert.ok((await page.locator(id("account-card")).count()) < 60, "cards far away are made");
      assert.deepEqual(page.faults, []);
      await page.context().close();
    });
  }

  it("are counted for screen readers, and a card that was touched stays", async () => {
    const page = await stage.open("many");
    await page.locator(id("account-card")).first().waitFor();
    assert.equal(await page.locator("[aria-setsize='1000']").first().getAttribute("aria-posinset"), "1");
    await page.locator(id("sign-out")).first().click();
    await page.locator(id("confirm-sign-out")).waitFor();
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await page.locator(id("account-card"), { hasText: "account-999" }).waitFor();
    await page.waitForFunction((card) => document.querySelectorAll(card).length < 60, id("account-card"));
    assert.equal(await page.locator(id("confirm-sign-out")).count(), 1, "what was begun there is lost");
    await page.context().close();
  });

  it("are told anew in less than a tenth of a second", async (t) => {
    const page = await stage.open("many");
    await page.locator(id("account-card")).first().waitFor();
    const spent = await meter(page);
    const before = await spent();
    await play(page, "amend", "account-500", { refreshes: 13 });
    await scroll(page, 0);
    const cost = (await spent()) - before;
    t.diagnostic(`a new snapshot: ${cost.toFixed(1)} ms of the processor`);
    assert.ok(cost < 100, `${cost} ms`);
    await page.context().close();
  });
});
