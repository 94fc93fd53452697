// Every view and every dialog, and the way there: what is examined, and what is pictured.

import { id, play } from "./stage.js";

/** Every view: a scenario, and the steps from there. */
export const views = {
  "nobody signed in": { scenario: "empty", steps: [] },
  "password form": { scenario: "empty", steps: ["sign-in-password-0", "submit-password"] },
  "pending sign-in": { scenario: "empty", steps: ["sign-in-browser-0"] },
  "form with faults": { scenario: "one", steps: ["add-account", "other-service", "form-flow-password", "form-submit"] },
  "well-known services": { scenario: "no-services", steps: [] },
  "form of a well-known service": { scenario: "no-services", steps: ["preset-forge", "form-flow-browser", "form-submit"] },
  "form of a home-made service": { scenario: "one", steps: ["add-account", "preset-plain-json", "form-submit"] },
  "signing in again by password": { scenario: "ended", steps: ["sign-in-again-password", "submit-password"] },
  "code to type elsewhere": { scenario: "ended", steps: ["sign-in-again-device"] },
  accounts: { scenario: "accounts", steps: [] },
  "very many accounts": { scenario: "many", steps: [] },
  refreshing: { scenario: "refreshing", steps: [] },
  waiting: { scenario: "waiting", steps: [] },
  ended: { scenario: "ended", steps: [] },
  "explained account": { scenario: "one", steps: ["explain"] },
  "explained wait": { scenario: "waiting", steps: ["explain"] },
  "explained end": { scenario: "ended", steps: ["explain"] },
  "unknown outcome": { scenario: "unsure", steps: [] },
  "account page": { scenario: "one", steps: ["open-account", "tokens", "programs", "devices", "explain"] },
  "account page of a wait": { scenario: "waiting", steps: ["open-account", "sign-out"] },
  "account page of an end": { scenario: "ended", steps: ["open-account", "sign-in-again-password"] },
  "account page of a long name": { scenario: "long", steps: ["open-account", "devices", "end-others"] },
  "fast clock": { scenario: "fast", steps: [] },
  "slow clock": { scenario: "slow", steps: ["nav-activity"] },
  "sign-out question": { scenario: "one", steps: ["sign-out"] },
  "damaged records": { scenario: "damaged", steps: [] },
  "long names": { scenario: "long", steps: [] },
  activity: { scenario: "accounts", steps: ["nav-activity"] },
  "opening vault": { scenario: "opening", steps: [] },
  "locked keystore": { scenario: "locked", steps: [] },
  "starting over": { scenario: "keylost", steps: ["start-over"] },
  storage: { scenario: "damaged", steps: ["nav-storage", "storage-facts"] },
  "storage in the clear": { scenario: "readable", steps: ["nav-storage"] },
  "vault under a passphrase": { scenario: "passphrase", steps: ["unlock"] },
  "choice without a keystore": { scenario: "nokeystore", steps: ["begin-passphrase", "begin-passphrase-use"] },
  lab: { scenario: "developer", steps: ["nav-storage", "open-lab", "lab-start", "cell-plain-file-read-files", "measure"] },
  "check-up of a lost vault": { scenario: "keylost", steps: ["vault-check-up"] },
  "first run, what it does": { scenario: "first", steps: [] },
  "first run, how sign-ins are kept": { scenario: "first", steps: ["welcome-next"] },
  "first run, a first account": { scenario: "first", steps: ["welcome-next", "welcome-next"] },
  settings: { scenario: "developer", steps: ["nav-settings", "write-report"] },
  "activity for developers": { scenario: "developer", steps: ["nav-activity"] },
};

/** What a dialog covers: the language is chosen before it opens. */
export const dialogs = {
  "a program asks": { scenario: "accounts", asks: ["/opt/tools/a very long name of a folder/deploy", "/usr/bin/curl"], steps: [], ends: "question-once" },
  "change to a readable storage": { scenario: "accounts", steps: ["nav-storage", "use-plain-file", "move-start"] },
  "change to a passphrase": { scenario: "accounts", steps: ["nav-storage", "use-encrypted-file", "move-start"] },
  "change under way": { scenario: "accounts", halt: "copying", steps: ["nav-storage", "use-hardware", "move-start"] },
  "change made": { scenario: "accounts", left: "work", steps: ["nav-storage", "use-hardware", "move-start"], ends: "move-close" },
  "change refused": { scenario: "accounts", fails: "vault_io", steps: ["nav-storage", "use-hardware", "move-start"], ends: "move-close" },
};

/** Takes the steps of a view, and waits until it is whole. */
export async function walk(page, steps) {
  for (const step of steps) await page.locator(id(step)).first().click();
  // Some views are loaded when they are first shown; each has a heading.
  await page.waitForSelector("h1");
  // Within it there may be parts of the same kind.
  await page.waitForSelector(id("loading"), { state: "detached" });
  // An explanation and a check-up come from the host.
  if (await page.locator(id("check-up")).count()) await page.waitForSelector(`${id("check-up")}[aria-busy="false"]`);
  if (steps.includes("explain")) await page.waitForSelector(`${id("explanation")}[aria-busy="false"]`);
}

/** Brings one of the dialogs onto the page. */
export async function summon(page, { halt, left, fails, asks, steps, ends }) {
  if (halt) await play(page, "haltAt", halt);
  if (left) await play(page, "leaveUnrotated", left);
  if (fails) await play(page, "failNext", fails);
  for (const program of asks ?? []) await play(page, "ask", program);
  for (const step of steps) await page.locator(id(step)).first().click();
  // Some views are loaded when they are first shown; each has a heading.
  await page.waitForSelector("h1");
  if (asks) await page.waitForSelector(`${id("question-once")}:enabled`);
  if (ends) await page.waitForSelector(id(ends));
}
