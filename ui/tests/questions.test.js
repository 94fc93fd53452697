// A program asks for a token while the window is open.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { checksOn, id, play, raise } from "./stage.js";

let stage;
before(async () => (stage = await raise()));
after(() => stage.fall());
const check = checksOn(() => stage);

const CURL = "/usr/bin/curl";
const loaded = (page) => page.evaluate(() => performance.getEntriesByType("resource").some(({ name }) => /Question/.test(name)));
const answerable = (page) => page.waitForSelector(`${id("question-once")}:enabled`);
const focused = (page) => page.evaluate(() => document.activeElement?.textContent);

describe("a program that asks for a token", () => {
  it(
    "is shown with who started it and what for, and is loaded no sooner",
    check("accounts", async (page) => {
      assert.equal(await loaded(page), false);
      await play(page, "ask", CURL);
      await answerable(page);
      assert.equal(await loaded(page), true);
      assert.equal(await page.textContent(id("question-program")), CURL);
      assert.match(await page.textContent(id("question-parents")), /bash.*gnome-terminal-server.*systemd/);
      assert.equal(await page.textContent(id("question-account")), "work");
      const dialog = page.getByRole("dialog", { name: "Lend curl a token of “work”?" });
      assert.match(await dialog.getByRole("group", { name: "Your answer" }).textContent(), /This once.*Until it ends.*Always.*Not now.*Never/);
    }),
  );

  for (const verdict of ["once", "run", "always", "no", "never"]) {
    it(
      `gets the answer "${verdict}"`,
      check("accounts", async (page) => {
        const asked = await play(page, "ask", CURL);
        await page.click(id(`question-${verdict}`));
        await page.waitForSelector(id("question"), { state: "detached" });
        assert.deepEqual(await play(page, "answers"), [[asked, verdict]]);
      }),
    );
  }

  it(
    "is not answered by what was typed and pressed as it appeared",
    check("accounts", async (page) => {
      await page.focus(id("nav-activity"));
      await play(page, "ask", CURL);
      await page.waitForSelector(id("question"));
      for (const key of ["Enter", "Space", "Escape"]) await page.keyboard.press(key);
      assert.deepEqual(await play(page, "answers"), []);
      await answerable(page);
      await page.keyboard.press("Enter");
      assert.deepEqual(await play(page, "answers"), [], "no answer has the focus");
      assert.match(await focused(page), /Lend curl/);
    }),
  );

  it(
    "is answered by the keyboard alone, and the focus goes back to where it was",
    check("accounts", async (page) => {
      await page.focus(id("nav-activity"));
      const [first, second] = [await play(page, "ask", CURL), await play(page, "ask", "/usr/bin/git")];
      await answerable(page);
      assert.match(await page.textContent(id("question-more")), /Another program waits/);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog", { name: /Lend git/ }).waitFor();
      await answerable(page);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      assert.equal(await focused(page), "Until it ends");
      await page.keyboard.press("Enter");
      await page.waitForSelector(id("question"), { state: "detached" });
      assert.deepEqual(await play(page, "answers"), [[first, "no"], [second, "run"]]);
      assert.equal(await focused(page), "Activity");
    }),
  );

  it(
    "is not shown any more when it was answered elsewhere or its time is over",
    check("accounts", async (page) => {
      const asked = await play(page, "ask", CURL);
      await answerable(page);
      await play(page, "settle", asked);
      await page.waitForSelector(id("question"), { state: "detached" });
      assert.deepEqual(await play(page, "answers"), []);
    }),
  );

  it(
    "stays open where the answer could not be given",
    check("accounts", async (page) => {
      await play(page, "ask", CURL);
      await answerable(page);
      await play(page, "failNext", "internal");
      await page.click(id("question-once"));
      await page.waitForSelector("[role=alert]");
      await answerable(page);
    }),
  );
});
