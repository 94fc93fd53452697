// What every check stands on: the built UI with the stand-in host, served under the app's own content security policy, in
// headless Chromium.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const root = fileURLToPath(new URL("..", import.meta.url));

const POLICY = "default-src 'self'; style-src 'self'; connect-src ipc: http://ipc.localhost";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How every check starts its browser. */
export const browserOptions = { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS };

/** Serves `folder` on a free port; resolves to its address and how to stop. */
export async function serve(folder) {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    const file = join(root, folder, path === "/" ? "index.html" : path);
    try {
      const body = await readFile(file);
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "text/plain", "content-security-policy": POLICY });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** A browser and a server for one file of checks. */
export async function raise() {
  const [browser, server] = await Promise.all([
    chromium.launch(browserOptions),
    serve("dist-fake"),
  ]);
  return {
    /** Opens a scenario in a fresh profile. `page.faults` gathers what the page complained of, policy violations among it. */
    async open(
      scenario,
      { language = "en", scheme = "light", width = 800, height = 640, motion = "no-preference", density = 1, frozen = false, still = false } = {},
    ) {
      const context = await browser.newContext({
        locale: language === "zh" ? "zh-CN" : "en-GB",
        colorScheme: scheme,
        reducedMotion: motion,
        viewport: { width, height },
        deviceScaleFactor: density,
      });
      const page = await context.newPage();
      page.setDefaultTimeout(10_000);
      page.faults = [];
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) page.faults.push(message.text());
      });
      page.on("pageerror", (error) => page.faults.push(String(error)));
      // A clock that moves only when the check moves it.
      if (frozen) {
        await page.clock.install({ time: new Date("2026-01-05T09:59:59Z") });
        await page.clock.pauseAt(new Date("2026-01-05T10:00:00Z"));
      }
      // A clock that does not move, while timers run: pictures of one page are then alike.
      if (still) await page.clock.setFixedTime(new Date("2026-01-05T10:00:00Z"));
      await page.goto(`${server.address}/?scenario=${scenario}`);
      await page.locator("main h1").first().waitFor();
      return page;
    },
    async fall() {
      await browser.close();
      await server.stop();
    },
  };
}

/** Checks of one file, on the stage that `raised` gives: each on a fresh page of a scenario, which is held to silence. */
export const checksOn = (raised) => (scenario, check, options) => async () => {
  const page = await raised().open(scenario, options);
  await check(page);
  assert.deepEqual(page.faults, []);
  await page.context().close();
};

/** Calls the stand-in host's `pilotlightFake[name]`. */
export const play = (page, name, ...given) =>
  page.evaluate(([called, args]) => window.pilotlightFake[called](...args), [name, given]);

/** The test id as a selector. */
export const id = (name) => `[data-testid="${name}"]`;
