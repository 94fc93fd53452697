import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Leaves out of Svelte what takes over a page that a server has drawn: there is no server. A file that changed is a fault. */
const withoutHydration: Plugin = {
  name: "without-hydration",
  transform(code, id) {
    if (!id.endsWith("svelte/src/internal/client/dom/hydration.js")) return undefined;
    const constant = code.replace("export let hydrating = false;", "export const hydrating = false;");
    const unset = constant.replace("\thydrating = value;", "");
    if (constant === code || unset === constant) this.error("Svelte's switch for hydration is not where it was.");
    return { code: unset, map: null };
  },
};

// "#api" is the one seam between the window and its host: the Tauri plugin, or, in the mode `fake`, an
// in-memory stand-in that lets the whole UI run in an ordinary browser.
export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [svelte(), withoutHydration],
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
    // No preload script: nothing to fetch ahead when the page is part of the binary. All styles in one file for the same reason.
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      // The texts stand in files of their own, so that the budget for code weighs code: those of the first load, and the rest.
      output: {
        codeSplitting: {
          groups: [
            { name: "text", test: /src\/text\/(en|zh)\.ts$/ },
            { name: "text-account", test: /src\/text\/account\.(en|zh)\.ts$/ },
            { name: "text-later", test: /src\/text\/storage\.(en|zh)\.ts$/ },
          ],
        },
      },
    },
  },
  server: { port: 1420, strictPort: true, host: "127.0.0.1" },
}));
