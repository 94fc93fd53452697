// What is shipped: small, self-contained, and without the stand-in host.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { root } from "./stage.js";

// Bytes, minified and not compressed (docs/decisions/0010). The texts are weighed apart: they grow with languages, not with
// what the code can do. Somewhat more than half of the first load is Svelte itself. What is first is the list of accounts alone.
const FIRST_CODE_BUDGET = 60_000;
const CODE_BUDGET = 156_000;
/** Of the Storage Lab, which developers alone load. */
const LAB_BUDGET = 21_000;
const FIRST_TEXT_BUDGET = 20_000;
const TEXT_BUDGET = 56_000;

let files;
before(async () => {
  const names = await readdir(join(root, "dist"), { recursive: true, withFileTypes: true });
  const plain = names.filter((entry) => entry.isFile());
  files = await Promise.all(
    plain.map(async ({ name, parentPath, path }) => ({ name, body: await readFile(join(parentPath ?? path, name)) })),
  );
});

const weigh = (wanted) => files.filter(({ name }) => wanted(name)).reduce((sum, { body }) => sum + body.length, 0);
const isText = (name) => /^text-.*\.js$/.test(name);
const isLab = (name) => /^Lab-.*\.js$/.test(name);
const isCode = (name) => name.endsWith(".js") && !isText(name) && !isLab(name);

/** What the page needs before it shows anything: its script, and whatever that imports at once. */
function firstLoad() {
  const page = files.find(({ name }) => name === "index.html").body.toString();
  const found = new Set();
  const follow = (name) => {
    if (found.has(name)) return;
    found.add(name);
    const body = files.find((file) => file.name === name).body.toString();
    for (const [, next] of body.matchAll(/(?:\bfrom|\bimport)\s*["'`]\.\/([\w.-]+\.js)["'`]/g)) follow(next);
  };
  for (const [, name] of page.matchAll(/src="[^"]*\/([\w.-]+\.js)"/g)) follow(name);
  return found;
}

describe("the bundle", () => {
  for (const [what, kind, budget, firstBudget] of [
    ["code", isCode, CODE_BUDGET, FIRST_CODE_BUDGET],
    ["texts", isText, TEXT_BUDGET, FIRST_TEXT_BUDGET],
  ]) {
    it(`holds to its budget of ${what}, at first and as a whole`, (t) => {
      const early = firstLoad();
      const [atFirst, all] = [weigh((name) => kind(name) && early.has(name)), weigh(kind)];
      t.diagnostic(`${what}: ${atFirst} bytes at first, ${all} in all`);
      assert.ok(atFirst > 0 && atFirst <= firstBudget, `${atFirst} bytes at first`);
      assert.ok(all > atFirst && all <= budget, `${all} bytes`);
    });
  }

  it("holds to its budget of the lab, which is loaded for developers", (t) => {
    const early = firstLoad();
    assert.ok(![...early].some(isLab));
    t.diagnostic(`lab: ${weigh(isLab)} bytes`);
    assert.ok(weigh(isLab) > 0 && weigh(isLab) <= LAB_BUDGET);
  });

  it("is without the stand-in host", async () => {
    for (const { name, body } of files) assert.ok(!/pilotlightFake|scenario|made_up_code/.test(body.toString()), name);
    const fake = await readdir(join(root, "dist-fake/assets"));
    const code = await Promise.all(fake.filter(isCode).map((name) => readFile(join(root, "dist-fake/assets", name), "utf8")));
    assert.match(code.join(""), /pilotlightFake/, "the mark is one that the stand-in does bear");
  });

  it("names no host but those of XML's name spaces and Svelte's explanations", () => {
    const allowed = /^https?:\/\/(www\.w3\.org|svelte\.dev|login\.example\.org|\$|localhost)/;
    const found = files.flatMap(({ body }) => body.toString().match(/https?:\/\/[\w$.-]+/g) ?? []);
    assert.deepEqual([...new Set(found)].filter((address) => !allowed.test(address)), []);
  });

  it("needs no inline script or style, so that the policy may forbid them", () => {
    const page = files.find(({ name }) => name === "index.html").body.toString();
    assert.doesNotMatch(page, /<style|style=|<script(?![^>]*\bsrc=)|\son\w+=/);
  });

  it("has every command of the host in one file", async () => {
    const sources = await readdir(join(root, "src"), { recursive: true });
    const users = [];
    for (const name of sources.filter((one) => /\.(ts|svelte)$/.test(one))) {
      if (/@tauri-apps|plugin:pilotlight/.test(await readFile(join(root, "src", name), "utf8"))) users.push(name);
    }
    assert.deepEqual(users, ["api.ts"]);
  });
});

it("package-lock.json holds no download addresses", async () => {
  assert.doesNotMatch(await readFile(join(root, "package-lock.json"), "utf8"), /"resolved"/);
});
