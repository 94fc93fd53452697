// What is shipped: small, self-contained, and without the stand-in host.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { root } from "./stage.js";

// Bytes, minified and not compressed. The texts are weighed apart: they grow with languages, not with what the code can do.
// Somewhat more than half of the code is Svelte itself.
const CODE_BUDGET = 80_000;
const TEXT_BUDGET = 20_000;

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
const isCode = (name) => name.endsWith(".js") && !isText(name);

describe("the bundle", () => {
  it("holds to its budget of code", (t) => {
    const bytes = weigh(isCode);
    t.diagnostic(`code: ${bytes} bytes`);
    assert.ok(bytes > 0 && bytes <= CODE_BUDGET, `${bytes} bytes`);
  });

  it("holds to its budget of texts", (t) => {
    const bytes = weigh(isText);
    t.diagnostic(`texts: ${bytes} bytes`);
    assert.ok(bytes > 0 && bytes <= TEXT_BUDGET, `${bytes} bytes`);
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
