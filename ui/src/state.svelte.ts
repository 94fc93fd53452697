// What the window knows: the host's last snapshot and the newest events, both pushed, and what the person is doing.
// It never polls and decides nothing about tokens; it only counts down to the times it was told.

import { api } from "#api";
import type {
  AccountView,
  InvitationView,
  EventView,
  Problem,
  SignInRequest,
  SignInWith,
  Snapshot,
} from "tauri-plugin-pilotlight-api";
import { announcement } from "./announce";
import { chooseLanguage, texts, type Language, type Text } from "./text";

const LANGUAGE_KEY = "pilotlight.language";
const PAGE = 100;

export type View = "accounts" | "account" | "add" | "activity" | "storage";

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
  /** The journal, newest first; of `eventsOf` alone where that is set. */
  events: readonly EventView[] = $state.raw([]);
  /** How many events were asked for; there may be more when `events` holds as many. */
  eventLimit: number = $state.raw(PAGE);
  eventsOf: string | null = $state.raw(null);
  view: View = $state.raw("accounts");
  /** Whose page it is, where the view is `account`. */
  page: string = $state.raw("");
  language: Language = $state.raw(chooseLanguage(localStorage.getItem(LANGUAGE_KEY), navigator.languages));
  pending: Pending | null = $state.raw(null);
  failed: Failed | null = $state.raw(null);
  /** Said by screen readers when it changes. */
  announced: string = $state.raw("");
}

export const state = new State();

/** The texts in the person's language. */
export function text(): Text {
  return texts[state.language];
}

export function setLanguage(language: Language): void {
  state.language = language;
  localStorage.setItem(LANGUAGE_KEY, language);
}

/** Listens to the host, then asks once for what was missed before. */
export async function connect(): Promise<void> {
  addEventListener("hashchange", followAddress);
  followAddress();
  await api.subscribe({ snapshot: take, event: takeEvent, device: takeDevice });
  await api.openings(openAccount);
  await Promise.all([askOnce(), loadEvents()]).catch(unexpected);
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

/** Signs in to the service called `at`; the outcome stands in the snapshot, or in `state.failed`. Resolves to whether it succeeded. */
export async function signIn(request: SignInRequest, at: string): Promise<boolean> {
  return whilePending(request.name, at, request.with.flow, () => api.signIn(request));
}

/** The same for an account there is, asking for more scope where some is named. */
export async function signInAgain({ name, service }: AccountView, how: SignInWith, more = ""): Promise<boolean> {
  return whilePending(name, service, how.flow, () => api.signInAgain(name, how, more));
}

async function whilePending(account: string, at: string, flow: SignInWith["flow"], begin: () => Promise<unknown>): Promise<boolean> {
  if (state.pending) return false;
  state.failed = null;
  state.pending = { account, at, flow, device: null, cancelling: false };
  try {
    await begin();
    // Whoever signs in again on an account's page stays there.
    if (state.view !== "account") show("accounts");
    return true;
  } catch (error) {
    const problem = asProblem(error);
    // The person asked for it: no news to them.
    if (problem.code !== "sign_in_cancelled") state.failed = { account, problem };
    return false;
  } finally {
    state.pending = null;
  }
}

export async function cancelSignIn(): Promise<void> {
  if (!state.pending) return;
  state.pending = { ...state.pending, cancelling: true };
  await api.cancelSignIn().catch(unexpected);
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

/** Asks for a page more of the journal. */
export async function moreEvents(): Promise<void> {
  state.eventLimit += PAGE;
  await loadEvents().catch(unexpected);
}

/** Shows the events of one account alone, or of all. */
export async function showEventsOf(account: string | null): Promise<void> {
  state.eventsOf = account;
  state.eventLimit = PAGE;
  await loadEvents().catch(unexpected);
}

async function askOnce(): Promise<void> {
  const asked = await api.snapshot();
  // One that was pushed meanwhile is newer.
  if (!state.snapshot) take(asked);
}

async function loadEvents(): Promise<void> {
  const account = state.eventsOf;
  const loaded = await api.events(account, state.eventLimit);
  if (account !== state.eventsOf) return;
  const newest = loaded[0]?.seq ?? -1;
  // What was pushed while the journal was on its way is newer than all of it.
  const pushed = state.events.filter((event) => event.seq > newest && concerns(event, account));
  state.events = [...pushed, ...loaded];
}

function concerns(event: EventView, account: string | null): boolean {
  return account === null || event.account === account;
}

function take(next: Snapshot): void {
  const before = state.snapshot;
  if (before) state.announced = announcement(before, next, text()) ?? state.announced;
  state.snapshot = next;
  state.heardAt = Date.now();
}

function takeEvent(event: EventView): void {
  if (!concerns(event, state.eventsOf) || state.events.some(({ seq }) => seq === event.seq)) return;
  state.events = [event, ...state.events].slice(0, state.eventLimit);
}

function takeDevice(device: InvitationView): void {
  if (state.pending) state.pending = { ...state.pending, device };
}

function asProblem(error: unknown): Problem {
  if (typeof error === "object" && error !== null && "code" in error && "message" in error && "hint" in error) {
    return error as Problem;
  }
  return { code: "internal", message: String(error), hint: "" };
}

function unexpected(error: unknown): void {
  state.failed = { account: "", problem: asProblem(error) };
}
