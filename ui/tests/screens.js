// `node tests/screens.js FOLDER [--missing]`: a picture of every view and dialog, light and dark, in both languages, and an index of them.
// The host is the stand-in, so the same sources give the same pictures. `--missing` takes those alone that are not there yet.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { read, write } from "./png.js";
import { raise } from "./stage.js";
import { dialogs, summon, views, walk } from "./views.js";

const LANGUAGES = ["en", "zh"];
const SCHEMES = ["light", "dark"];
/** What the palette of a picture has room for; a page of ours has some hundred, most of them the edges of letters. */
const COLOURS = 256;
/** The tallest picture: a longer page is cut there. */
const TALLEST = 1400;
const WIDTH = 760;
const HEIGHT = 640;

const [folder, missing] = process.argv.slice(2);
if (!folder) throw new Error("usage: node tests/screens.js FOLDER [--missing]");

const fileName = (name, language, scheme) => `${name.replaceAll(/[^a-z]+/g, "-")}-${language}-${scheme}.png`;

/** As tall as what it shows. */
async function picture(page, whole) {
  const tall = whole ? await page.evaluate(() => document.documentElement.scrollHeight) : HEIGHT;
  await page.setViewportSize({ width: WIDTH, height: Math.max(HEIGHT, Math.min(tall, TALLEST)) });
  return write(read(await page.screenshot({ animations: "disabled", caret: "hide" })), { colours: COLOURS });
}

/** Of one view in one language, both schemes of colour from one visit. */
async function visit(stage, name, entry, isDialog, language) {
  const page = await stage.open(entry.scenario, { language, width: WIDTH, height: HEIGHT, motion: "reduce", still: true });
  await (isDialog ? summon(page, entry) : walk(page, entry.steps));
  // Where the last click was is nobody's concern.
  await page.mouse.move(0, 0);
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    await writeFile(join(folder, fileName(name, language, colorScheme)), await picture(page, !isDialog));
  }
  if (page.faults.length > 0) throw new Error(`${name}: ${page.faults.join("; ")}`);
  await page.context().close();
}

/** A table of all, by file: it is seen where the folder is. */
function index() {
  const row = (name) => {
    const cell = (language, scheme) => {
      const file = fileName(name, language, scheme);
      return `<a href="${file}"><img src="${file}" width="190" alt="${name}, ${language}, ${scheme}"></a>`;
    };
    return `| ${name} | ${LANGUAGES.flatMap((language) => SCHEMES.map((scheme) => cell(language, scheme))).join(" | ")} |`;
  };
  const table = (all) => ["| | en, light | en, dark | zh, light | zh, dark |", "|---|---|---|---|---|", ...Object.keys(all).map(row)];
  return [
    "# Every view",
    "",
    "Written by `cargo xtask screens`, from the built pages and a stand-in for the host, in headless Chromium. `cargo xtask run --headless`",
    "takes some of the app's own window.",
    "",
    "## Views",
    "",
    ...table(views),
    "",
    "## Dialogs",
    "",
    ...table(dialogs),
    "",
  ].join("\n");
}

await mkdir(folder, { recursive: true });
const before = (await readdir(folder)).filter((file) => /-(en|zh)-(light|dark)\.png$/.test(file));
const wanted = [views, dialogs].flatMap((all) => Object.keys(all)).flatMap((name) => LANGUAGES.flatMap((language) => SCHEMES.map((scheme) => fileName(name, language, scheme))));
const kept = missing ? before.filter((file) => wanted.includes(file)) : [];
await Promise.all(before.filter((file) => !kept.includes(file)).map((file) => rm(join(folder, file))));
const isThere = (name, language) => SCHEMES.every((scheme) => kept.includes(fileName(name, language, scheme)));
const stage = await raise();
let failed = 0;
for (const [all, isDialog] of [[views, false], [dialogs, true]]) {
  for (const [name, entry] of Object.entries(all)) {
    for (const language of LANGUAGES) {
      if (isThere(name, language)) continue;
      await visit(stage, name, entry, isDialog, language).catch((error) => {
        failed += 1;
        console.error(`${name} (${language}): ${error}`);
      });
    }
  }
}
await stage.fall();
await writeFile(join(folder, "README.md"), index());
const made = (await readdir(folder)).filter((file) => file.endsWith(".png"));
const sizes = await Promise.all(made.map(async (file) => (await readFile(join(folder, file))).length));
console.log(`${made.length} pictures, ${Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1000)} kB`);
if (failed > 0) process.exit(1);
