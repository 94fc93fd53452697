// How things may stand, by name.

import type { AccountView, EventView, Protection, SettingsView, Snapshot, VaultView } from "tauri-plugin-pilotlight-api";
import { DAY, demo, HOUR, makeAccount, makeProblem, MINUTE, SECOND } from "./things";

interface Scenario {
  snapshot: Snapshot;
  events: EventView[];
  /** What keeps the grants. */
  strategy: string;
}

/** The scenario of that name at `now`; an unknown name is a mistake of the caller. */
export function scenario(name: string, now: number): Scenario {
  const make = scenarios[name];
  if (!make) throw new Error(`no scenario ${name}; there are ${Object.keys(scenarios).join(", ")}`);
  return make(now);
}

const ready: VaultView = { state: "ready", strategy: "sqlite-aead", keystore: "secret-service", protection: "keystore" };

/** As by default, after the first run. */
const settings: SettingsView = {
  leeway: null,
  proxy: "system",
  ca_file: null,
  language: "system",
  theme: "system",
  autostart: false,
  tray: true,
  developer: false,
  welcomed: true,
  faults: [],
};

const scenarios: Record<string, (now: number) => Scenario> = {
  empty: (now) => open(now, []),
  first: (now) => open(now, [], { settings: { ...settings, welcomed: false } }),
  developer: (now) => open(now, [makeAccount("ada", now), work(now)], { settings: { ...settings, developer: true } }),
  "no-services": (now) => open(now, [], { services: [] }),
  accounts: (now) => open(now, [makeAccount("ada", now), work(now), noRefresh(now)]),
  many: (now) => open(now, Array.from({ length: 1000 }, (_, n) => makeAccount(`account-${n}`, now))),
  one: (now) => open(now, [makeAccount("ada", now)]),
  refreshing: (now) => open(now, [makeAccount("ada", now, { status: { state: "refreshing" } })]),
  waiting: (now) => open(now, [waiting(now), work(now)]),
  ended: (now) => open(now, [ended(now), endedElsewhere(now)]),
  damaged: (now) => open(now, [makeAccount("ada", now)], { damaged: ["k3f7q2m5x6a4b7c2", "p4r7s2t6u3v5w7x2"] }),
  unsure: (now) => open(now, [{ ...waiting(now), unknown_since_ms: now - 2 * MINUTE }, { ...work(now), unknown_since_ms: now - HOUR }]),
  fast: (now) => open(now, [makeAccount("ada", now)], { clock_offset_ms: -(7 * MINUTE + 4 * SECOND) }),
  slow: (now) => open(now, [makeAccount("ada", now)], { clock_offset_ms: 3 * HOUR }),
  long: (now) => open(now, [makeAccount("a-very-long-account-name-that-somebody-chose-for-a-good-reason", now)]),
  opening: (now) => shut(now, { state: "opening" }),
  locked: (now) => unavailable(now, "keystore_locked"),
  absent: (now) => unavailable(now, "keystore_absent"),
  hanging: (now) => unavailable(now, "keystore_timeout"),
  keylost: (now) => unavailable(now, "key_lost", { can_start_over: true }),
  vaultdamaged: (now) => unavailable(now, "vault_damaged", { can_start_over: true }),
  unknown: (now) => unavailable(now, "made_up_code"),
  passphrase: (now) => ({ ...unavailable(now, "passphrase_needed", { asks_passphrase: true }), strategy: "encrypted-file" }),
  eitherway: (now) => unavailable(now, "keystore_locked", { asks_passphrase: true }),
  nokeystore: (now) => unavailable(now, "keystore_absent", { can_choose: true }),
  newpassphrase: (now) => unavailable(now, "passphrase_needed", { can_choose: true }),
  readable: (now) => kept(now, "plain-file", "plain"),
  inmemory: (now) => kept(now, "memory", "memory"),
};

function open(now: number, accounts: AccountView[], rest: Partial<Snapshot> = {}): Scenario {
  const snapshot = { vault: ready, services: [demo], accounts, damaged: [], now_ms: now, clock_offset_ms: 250, settings, ...rest };
  return { snapshot, events: accounts.length > 0 ? journal(now) : [], strategy: "sqlite-aead" };
}

function kept(now: number, strategy: string, protection: Protection): Scenario {
  const vault: VaultView = { state: "ready", strategy, keystore: "secret-service", protection };
  return { ...open(now, [makeAccount("ada", now)], { vault }), strategy };
}

function shut(now: number, vault: VaultView): Scenario {
  const snapshot = { vault, services: [demo], accounts: [], damaged: [], now_ms: now, clock_offset_ms: null, settings };
  return { snapshot, events: [], strategy: "sqlite-aead" };
}

function unavailable(now: number, code: string, offers: Partial<Extract<VaultView, { state: "unavailable" }>> = {}): Scenario {
  const problem = makeProblem(code, `The host's own sentence for ${code}.`, "The host's own hint.");
  return shut(now, { state: "unavailable", problem, can_start_over: false, asks_passphrase: false, can_choose: false, ...offers });
}

function work(now: number): AccountView {
  return makeAccount("work", now, {
    service: "https://login.corp.example",
    person: "Ada Lovelace",
    refreshed_at_ms: now - 41 * MINUTE,
    access_expires_at_ms: now + 19 * MINUTE,
    refresh_due_at_ms: now + 14 * MINUTE + 7 * SECOND,
    refreshes: 1,
  });
}

function noRefresh(now: number): AccountView {
  return makeAccount("notes", now, {
    service: "https://notes.example",
    person: null,
    refreshed_at_ms: now - 2 * HOUR,
    access_expires_at_ms: now + 3 * DAY + 4 * HOUR,
    refresh_due_at_ms: null,
    refresh_expires_at_ms: null,
    refreshes: 0,
  });
}

function waiting(now: number): AccountView {
  const problem = makeProblem("server_unavailable", "The service answered 503.");
  return makeAccount("ada", now, {
    status: { state: "waiting", problem, retry_at_ms: now + 28 * SECOND },
    refreshed_at_ms: now - 11 * MINUTE,
    refresh_due_at_ms: now - MINUTE,
  });
}

function ended(now: number): AccountView {
  const problem = makeProblem("grant_refused", "The service answered invalid_grant: the grant was revoked.");
  return makeAccount("ada", now, {
    status: { state: "ended", problem, ended_at_ms: now - 4 * MINUTE },
    refreshed_at_ms: now - 14 * MINUTE,
    refresh_due_at_ms: null,
  });
}

function endedElsewhere(now: number): AccountView {
  const problem = makeProblem("lost_answer", "The answer to the last refresh never arrived.");
  return makeAccount("work", now, {
    service: "https://login.corp.example",
    person: "Ada Lovelace",
    status: { state: "ended", problem, ended_at_ms: now - 3 * HOUR },
    refreshed_at_ms: now - 5 * HOUR,
    refresh_due_at_ms: null,
  });
}

function journal(now: number): EventView[] {
  const rows: [number, string, string, string][] = [
    [3 * SECOND, "ada", "refreshed", "Refreshed ahead of expiry; generation 12."],
    [9 * MINUTE, "ada", "refreshed", "Refreshed after 2 attempts; generation 11."],
    [10 * MINUTE, "ada", "refresh-failed", "The service answered 503; trying again in 30 s. Still signed in."],
    [41 * MINUTE, "work", "refreshed", "Refreshed ahead of expiry; generation 1."],
    [70 * MINUTE, "ada", "save-failed", "The disk is full; the new tokens are kept in memory."],
    [2 * HOUR, "ada", "signed-in", "Signed in as ada@example.org in the browser."],
    [26 * HOUR, "old", "ended", "The service answered invalid_grant: the grant was revoked."],
    [3 * DAY, "old", "signed-in", "Signed in as grace@example.org with a password."],
  ];
  return rows.map(([before, account, kind, text], index) => ({
    seq: rows.length - index,
    at_ms: now - before,
    account,
    kind,
    text,
  }));
}
