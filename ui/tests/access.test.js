// Keyboard, screen readers, contrast, narrow windows, people who want no motion.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { id, raise } from "./stage.js";
import { dialogs, summon, views, walk } from "./views.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let stage;
before(async () => (stage = await raise()));
after(() => stage.fall());

/** Every violation that axe finds, as text. */
async function violations(page) {
  const found = await page.evaluate(() => window.axe.run(document));
  assert.ok(found.passes.some((one) => one.id === "color-contrast"), "contrast was measured");
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`);
}

/** Fails where the page is wider than its window. */
async function fits(page, language) {
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= room, `${language}: ${wide} > ${room}`);
}

describe("every view is free of axe violations, light and dark, in both languages", () => {
  for (const [name, { scenario, steps }] of Object.entries(views)) {
    it(name, async () => {
      const page = await stage.open(scenario, { motion: "reduce" });
      await page.evaluate(axe);
      await walk(page, steps);
      for (const language of ["en", "zh"]) {
        await page.click(id(`language-${language}`));
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme });
          assert.deepEqual(await violations(page), [], `${language} ${colorScheme}`);
        }
      }
      assert.deepEqual(page.faults, []);
      await page.context().close();
    });
  }
});

describe("a window of 360 pixels never scrolls sideways", () => {
  for (const [name, { scenario, steps }] of Object.entries(views)) {
    it(name, async () => {
      const page = await stage.open(scenario, { width: 360, height: 560 });
      await walk(page, steps);
      for (const language of ["en", "zh"]) {
        await page.click(id(`language-${language}`));
        await fits(page, language);
      }
      await page.context().close();
    });
  }
});

it("a window of 360 pixels breaks no word of what leads to the views", async () => {
  const page = await stage.open("one", { width: 360, height: 560 });
  for (const language of ["en", "zh"]) {
    await page.click(id(`language-${language}`));
    const lines = await page.locator("nav button").evaluateAll((buttons) =>
      buttons.map((button) => {
        const range = document.createRange();
        range.selectNodeContents(button.firstChild);
        return range.getClientRects().length;
      }),
    );
    assert.deepEqual(lines, [1, 1, 1, 1], language);
  }
  await page.context().close();
});

describe("at 200 % a window of 1280 pixels never scrolls sideways", () => {
  for (const [name, { scenario, steps }] of Object.entries(views)) {
    it(name, async () => {
      // To a page, zoom is a window of half the width with pixels twice as dense.
      const page = await stage.open(scenario, { width: 640, height: 400, density: 2 });
      await walk(page, steps);
      await fits(page, "en");
      await page.context().close();
    });
  }
});

describe("every dialog is free of axe violations, light and dark, and fits a window of 360 pixels, in both languages", () => {
  for (const [name, dialog] of Object.entries(dialogs)) {
    for (const language of ["en", "zh"]) {
      it(`${name} (${language})`, async () => {
        const page = await stage.open(dialog.scenario, { language, motion: "reduce", width: 360, height: 560 });
        await page.evaluate(axe);
        await summon(page, dialog);
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme });
          assert.deepEqual(await violations(page), [], colorScheme);
        }
        await fits(page, language);
        const [wide, room] = await page.locator("dialog").evaluate((one) => [one.scrollWidth, one.clientWidth]);
        assert.ok(wide <= room, `the dialog: ${wide} > ${room}`);
        assert.deepEqual(page.faults, []);
        await page.context().close();
      });
    }
  }
});

/** What has the focus, by test id or text. */
const focused = (page) =>
  page.evaluate(() => document.activeElement?.dataset.testid ?? document.activeElement?.textContent?.trim() ?? "");

/** Presses Tab until `name` has the focus; fails after a full round. */
async function tabTo(page, name) {
  for (let presses = 0; presses < 40; presses += 1) {
    if ((await focused(page)) === name) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`the keyboard does not reach ${name}`);
}

describe("with the keyboard alone", () => {
  it("a person signs in with a password, refreshes, reads the activity and signs out", async () => {
    const page = await stage.open("empty");
    await tabTo(page, "sign-in-password-0");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("username"));
    assert.equal(await focused(page), "username");
    await page.keyboard.type("ada");
    await page.keyboard.press("Tab");
    await page.keyboard.type("correct");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("account-card"));
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    await tabTo(page, "refresh-now");
    await page.keyboard.press("Enter");
    await page.waitForFunction((of) => document.querySelector(of).textContent === "1", id("refreshes"));
    await tabTo(page, "nav-activity");
    await page.keyboard.press("Space");
    await page.waitForSelector(id("event-row"));
    await tabTo(page, "nav-accounts");
    await page.keyboard.press("Enter");
    await tabTo(page, "sign-out");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("confirm-sign-out"));
    assert.equal(await focused(page), "Cancel", "the harmless answer has the focus");
    await page.keyboard.press("Shift+Tab");
    assert.equal(await focused(page), "confirm-sign-out");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("account-card"), { state: "detached" });
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  it("a person goes through the first run and skips the rest", async () => {
    const page = await stage.open("first");
    await tabTo(page, "welcome-next");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("welcome-kept"));
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    await tabTo(page, "welcome-skip");
    await page.keyboard.press("Space");
    await page.waitForSelector(id("welcome"), { state: "detached" });
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    await tabTo(page, "sign-in-browser-0");
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  it("a person goes through the settings", async () => {
    const page = await stage.open("one");
    await tabTo(page, "nav-settings");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("setting-theme"));
    await tabTo(page, "setting-theme");
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction(() => window.pilotlightFake.settings().theme === "light");
    await tabTo(page, "setting-tray");
    await page.keyboard.press("Space");
    await page.waitForFunction(() => !window.pilotlightFake.settings().tray);
    await tabTo(page, "setting-leeway");
    await page.keyboard.type("60");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => window.pilotlightFake.settings().leeway === 60);
    await tabTo(page, "write-report");
    await page.keyboard.press("Enter");
    await page.getByText("pilotlight-report-").waitFor();
    await tabTo(page, "setting-developer");
    await page.keyboard.press("Space");
    await page.waitForSelector(id("token-by-hand"));
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  it("a person asks for an explanation and puts it away", async () => {
    const page = await stage.open("waiting");
    await tabTo(page, "explain");
    const button = page.locator(id("explain")).first();
    assert.equal(await button.getAttribute("aria-expanded"), "false");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("explanation"));
    assert.equal(await button.getAttribute("aria-expanded"), "true");
    const controlled = await page.locator(id("explanation")).evaluate((one) => one.parentElement.id);
    assert.equal(controlled, await button.getAttribute("aria-controls"));
    assert.equal(await focused(page), "explain", "the focus stays where it was");
    await page.keyboard.press("Space");
    await page.waitForSelector(id("explanation"), { state: "detached" });
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  it("a person changes the storage and looks at the check-up", async () => {
    const page = await stage.open("one");
    await tabTo(page, "nav-storage");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("use-plain-sqlite"));
    await tabTo(page, "look-again");
    await page.keyboard.press("Enter");
    await tabTo(page, "use-plain-sqlite");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("move"));
    assert.equal(await focused(page), "consent");
    await page.keyboard.type("plain-sqlite");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("moved"));
    await tabTo(page, "move-close");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  it("a person cancels a browser sign-in and finds the heading focused", async () => {
    const page = await stage.open("empty");
    await tabTo(page, "sign-in-browser-0");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("pending"));
    await tabTo(page, "cancel-sign-in");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("pending"), { state: "detached" });
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    await page.context().close();
  });

  it("the focus can be seen on every control", async () => {
    const page = await stage.open("accounts");
    const seen = new Set();
    for (let presses = 0; presses < 24; presses += 1) {
      await page.keyboard.press("Tab");
      const [name, outline] = await page.evaluate(() => {
        const element = document.activeElement ?? document.body;
        const name = element === document.body ? "" : (element.textContent ?? "").trim();
        return [name, getComputedStyle(element).outlineStyle];
      });
      // Past the last control the focus leaves the page.
      if (name === "") break;
      seen.add(name);
      assert.notEqual(outline, "none", name);
    }
    assert.ok(seen.size >= 10, [...seen].join(" | "));
    await page.context().close();
  });
});

it("a silent refresh is not announced, an ended sign-in is", async () => {
  const page = await stage.open("one");
  const live = page.locator('p[role="status"]');
  await page.click(id("refresh-now"));
  await page.waitForFunction((of) => document.querySelector(of).textContent === "13", id("refreshes"));
  assert.equal(await live.innerText(), "");
  await page.evaluate(() => {
    const problem = { code: "grant_refused", message: "Refused.", hint: "Sign in again." };
    window.pilotlightFake.amend("ada", { status: { state: "ended", problem, ended_at_ms: Date.now() } });
  });
  assert.equal(await live.innerText(), "The sign-in of ada@example.org has ended.");
  await page.context().close();
});

it("a page with room to spare is not scrolled", async () => {
  for (const width of [360, 760, 1000]) {
    const page = await stage.open("one", { width });
    await page.locator(id("account-card")).waitFor();
    const [long, room] = await page.evaluate(() => [document.documentElement.scrollHeight, innerHeight]);
    assert.equal(long, room, `${width} pixels wide`);
    await page.context().close();
  }
});

it("nothing moves for people who want no motion", async () => {
  const moves = async (motion) => {
    const page = await stage.open("one", { motion });
    const moving = await page.evaluate(() =>
      [...document.querySelectorAll("*")].some((element) => {
        const { animationName, transitionDuration } = getComputedStyle(element);
        return animationName !== "none" || transitionDuration !== "0s";
      }),
    );
    await page.context().close();
    return moving;
  };
  assert.equal(await moves("reduce"), false);
  assert.equal(await moves("no-preference"), true);
});
