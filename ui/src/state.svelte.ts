// What the window knows: the host's last snapshot, which is pushed, and what the person is doing.
// It never polls and decides nothing about tokens; it only counts down to the times it was told.

import { api } from "#api";
import type {
  InvitationView,
  EventView,
  Problem,
  SignInWith,
  Snapshot,
} from "tauri-plugin-pilotlight-api";
import { announcement } from "./announce";
import { chooseLanguage, texts, type Language, type Text } from "./text";

export type View = "accounts" | "account" | "add" | "activity" | "storage" | "settings";

/** How the address of an account's page begins; its name follows. */
const PAGE_OF = "#account/";

/** A sign-in under way. */
export interface Pending {
  account: string;
  /** The service, for people. */
  at: string;
  flow: SignInWith["flow"];
  /** What to type elsewhere, once the service has said so. */
  device: InvitationView | null;
  cancelling: boolean;
}

/** Which sign-in did not succeed, and why. */
export interface Failed {
  account: string;
  problem: Problem;
}

// Everything is replaced whole, never changed in place: what the host sends needs no watching from within.
class State {
  snapshot: Snapshot | null = $state.raw(null);
  /** When the snapshot arrived, by the page's own clock. */
  heardAt: number = $state.raw(Date.now());
  view: View = $state.raw("accounts");
  /** Whose page it is, where the view is `account`. */
  page: string = $state.raw("");
  language: Language = $state.raw(chooseLanguage("system", navigator.languages));
  pending: Pending | null = $state.raw(null);
  failed: Failed | null = $state.raw(null);
  /** Whether the first picture stands: what only a closer look asks for is worked out after it. */
  settled: boolean = $state.raw(false);
  /** Said by screen readers when it changes. */
  announced: string = $state.raw("");
}

export const state = new State();

/** Who is told of each new entry of the journal. */
export const onEvent = new Set<(event: EventView) => void>();

/** The texts in the person's language. */
export function text(): Text {
  return texts[state.language];
}

export function setLanguage(language: Language): void {
  state.language = language;
  void api.setSetting("language", language).catch(unexpected);
}

/**
 * Asks how things stand, to have something to show, and listens meanwhile; then asks once more for what was missed before.
 * `answered` is called as soon as there is something.
 */
export async function connect(answered: () => void): Promise<void> {
  addEventListener("hashchange", followAddress);
  followAddress();
  let pushed = false;
  const snapshot = (next: Snapshot): void => {
    pushed = true;
    take(next);
  };
  const ask = async (): Promise<void> => {
    const asked = await api.snapshot();
    // One that was pushed meanwhile is newer.
    if (!pushed) take(asked);
  };
  const event = (event: EventView): void => onEvent.forEach((tell) => tell(event));
  try {
    await Promise.all([ask().then(answered), api.subscribe({ snapshot, event, device: takeDevice }), api.openings(openAccount)]);
    await ask();
  } catch (error) {
    unexpected(error);
  }
}

export function show(view: View): void {
  // A failure stays until it was seen, and only these show it.
  if (state.view === "accounts" || state.view === "account" || state.view === "add") state.failed = null;
  state.view = view;
  // The page of an account has an address, so that going back and loading anew lead where one was.
  if (view !== "account" && location.hash !== "") history.pushState(null, "", location.pathname + location.search);
}

/** Shows the page of one account. */
export function openAccount(name: string): void {
  state.page = name;
  show("account");
  location.hash = PAGE_OF + encodeURIComponent(name);
}

function followAddress(): void {
  const name = location.hash.startsWith(PAGE_OF) ? decoded(location.hash.slice(PAGE_OF.length)) : "";
  if (name !== "") {
    state.page = name;
    state.view = "account";
  } else if (state.view === "account") {
    state.view = "accounts";
  }
}

/** Nothing, where somebody wrote an address that is none. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** Runs one command of the host and resolves to what went wrong, if anything did. */
export async function attempt(command: Promise<unknown>): Promise<Problem | null> {
  try {
    await command;
    return null;
  } catch (error) {
    return asProblem(error);
  }
}

function take(next: Snapshot): void {
  const before = state.snapshot;
  if (before) state.announced = announcement(before, next, text()) ?? state.announced;
  state.snapshot = next;
  state.language = chooseLanguage(next.settings.language, navigator.languages);
  state.heardAt = Date.now();
}

function takeDevice(device: InvitationView): void {
  if (state.pending) state.pending = { ...state.pending, device };
}

/** What a command was refused with, or what else went wrong, as a problem. */
export function asProblem(error: unknown): Problem {
  if (typeof error === "object" && error !== null && "code" in error && "message" in error && "hint" in error) {
    return error as Problem;
  }
  return { code: "internal", message: String(error), hint: "" };
}

/** What goes wrong with nobody waiting for it stands above everything. */
export function unexpected(error: unknown): void {
  state.failed = { account: "", problem: asProblem(error) };
}
