import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * What of its libraries this window has no use for, by file, as found and as left. It takes over no page that a server has drawn, and every
 * state is replaced whole (`$state.raw`), so that nothing is wrapped in a proxy.
 */
const CUTS: Record<string, readonly (readonly [string, string])[]> = {
  "svelte/src/internal/client/dom/hydration.js": [
    ["export let hydrating = false;", "export const hydrating = false;"],
    ["\thydrating = value;", ""],
  ],
  "svelte/src/internal/client/proxy.js": [["export function proxy(value) {", "export function proxy(value) {\n\treturn value;"]],
  // The list of the host's own events, which nobody here asks for; unmarked, it is kept.
  "@tauri-apps/api/event.js": [["(function (TauriEvent) {", "/* @__PURE__ */ (function (TauriEvent) {"]],
};

/** Makes the cuts. A file that changed is a fault, as is a source that would need what was cut. */
const withoutSpare: Plugin = {
  name: "without-spare",
  transform(code, id) {
    if (id.startsWith(here("./src")) && /\$state\(|<svelte:boundary/.test(code)) this.error("Use $state.raw: proxies are left out.");
    const cuts = CUTS[id.split("/node_modules/").at(-1) ?? ""];
    return cuts && { code: cuts.reduce((left, [found, put]) => {
      if (!left.includes(found)) this.error(`${id} is not as it was.`);
      return left.replace(found, put);
    }, code), map: null };
  },
};

/** Nothing is fetched ahead and all styles stand in one file: what is left of Vite's preloading is the import itself. */
const withoutPreload: Plugin = {
  name: "without-preload",
  enforce: "pre",
  load: (id) => (id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : undefined),
};

/** Svelte's parts for what is typed and chosen, for headings of a rank, for elements held by name: the list of accounts has none. */
const FIELDS = /svelte\/src\/internal\/client\/dom\/(elements\/bindings\/(input|select|this)|blocks\/svelte-element)\.js$/;

// "#api" is the one seam between the window and its host: the Tauri plugin, or, in the mode `fake`, an
// in-memory stand-in that lets the whole UI run in an ordinary browser.
export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [svelte(), withoutSpare, withoutPreload],
  resolve: {
    alias: {
      "#api": here(mode === "fake" ? "./src/api.fake.ts" : "./src/api.ts"),
      // The package's own sources, so that nothing has to be built before the window.
      "tauri-plugin-pilotlight-api": here("../crates/plugin/guest-js/src/index.ts"),
    },
    // The package stands outside of this folder and would look for its own.
    dedupe: ["@tauri-apps/api"],
  },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // The oldest webview in use: WKWebView of macOS 13, and WebKitGTK and WebView2 are newer.
    target: ["es2022", "safari16"],
    // The first load's files are asked for side by side, by the page itself; nothing else is fetched ahead, as the page is part of the binary.
    // All styles in one file for the same reason.
    modulePreload: { polyfill: false, resolveDependencies: (_, files, { hostType }) => (hostType === "html" ? files : []) },
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      // Otherwise they would be loaded first, in case loading them does something.
      treeshake: { moduleSideEffects: [{ test: FIELDS, sideEffects: false }] },
      // The texts stand in files of their own, so that the budget for code weighs code: those of the first load, and the rest.
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            // Small, and asked for by every view: one file instead of three.
            { name: "base", test: /src\/(clock\.svelte|focus|time)\.ts$/ },
            { name: "text", test: /src\/text\/(en|zh)\.ts$/ },
            { name: "fields", test: FIELDS },
            { name: "text-account", test: /src\/text\/account\.(en|zh)\.ts$/ },
            { name: "text-settings", test: /src\/text\/(settings|welcome)\.(en|zh)\.ts$/ },
            { name: "text-sign-in", test: /src\/text\/(sign-in|service)\.(en|zh)\.ts$/ },
            { name: "text-question", test: /src\/text\/question\.(en|zh)\.ts$/ },
            { name: "text-later", test: /src\/text\/(activity|storage)\.(en|zh)\.ts$/ },
          ],
        },
      },
    },
  },
  server: { port: 1420, strictPort: true, host: "127.0.0.1" },
}));
