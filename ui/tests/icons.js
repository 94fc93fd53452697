// `node tests/icons.js`: draws src-tauri/icons/icon.svg in every size that desktops ask for.

import { readFile, writeFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { read, write } from "./png.js";
import { browserOptions } from "./stage.js";

const SIZES = [16, 22, 24, 32, 48, 64, 128, 256, 512];
const folder = new URL("../../src-tauri/icons/", import.meta.url);

const drawing = `data:image/svg+xml;base64,${(await readFile(new URL("icon.svg", folder))).toString("base64")}`;
const browser = await chromium.launch(browserOptions);
const page = await browser.newPage();
for (const size of SIZES) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>body{margin:0}img{display:block}</style><img width="${size}" height="${size}" src="${drawing}">`);
  await page.locator("img").evaluate((image) => image.decode());
  await writeFile(new URL(`${size}x${size}.png`, folder), write(read(await page.screenshot({ omitBackground: true }))));
}
await browser.close();
