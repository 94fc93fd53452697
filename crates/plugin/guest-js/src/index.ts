// What a Tauri app's page may ask the plugin `pilotlight` for. Types come from Rust; nothing here can get at a token.

export type * from "./bindings/index.js";
export { pilotlight, requestFor, type Listeners, type Pilotlight } from "./commands.js";
export { authorizedFetch, FetchProblem } from "./fetch.js";
