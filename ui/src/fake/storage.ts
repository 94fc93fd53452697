// The storage of the stand-in host: strategies as the core tells of them, a check-up, and a move.

import type {
  ExposureView,
  FindingView,
  MovingView,
  NeedView,
  Phase,
  Protection,
  Snapshot,
  StorageView,
  StrategyView,
} from "tauri-plugin-pilotlight-api";

const letters: Record<string, ExposureView> = { p: "protected", d: "depends", e: "exposed" };

function strategy(name: string, gets: string, ...needs: NeedView[]): StrategyView {
  const [disk_thief, other_user, same_user, leaked_backup] = [...gets].map((letter) => letters[letter]!) as [
    ExposureView,
    ExposureView,
    ExposureView,
    ExposureView,
  ];
  return {
    name,
    summary: `The host's own sentence for ${name}.`,
    needs,
    built_in: name !== "left-out",
    plain: name.startsWith("plain-"),
    disk_thief,
    other_user,
    same_user,
    leaked_backup,
    depends_on: gets.includes("d") ? `The host's own condition for ${name}.` : "",
  };
}

const strategies: StrategyView[] = [
  strategy("memory", "ppdp"),
  strategy("plain-file", "epee"),
  strategy("plain-sqlite", "epee"),
  strategy("encrypted-file", "dpdd", "passphrase"),
  strategy("keystore-only", "pped", "keystore"),
  strategy("encrypted-prefs", "pped", "keystore"),
  strategy("sqlcipher", "pped", "keystore"),
  strategy("sqlite-aead", "pped", "keystore"),
  strategy("hardware", "ppdp", "tpm"),
  strategy("redis", "dpdd", "redis", "passphrase"),
  strategy("of-tomorrow", "pppp"),
  strategy("left-out", "pppp"),
];

export const files: Record<string, string> = {
  "sqlite-aead": "vault.db",
  "plain-file": "vault.json",
  "plain-sqlite": "vault-plain.db",
  "encrypted-file": "vault.pl1",
};

export function protection(name: string): Protection {
  const { needs, plain } = strategies.find((one) => one.name === name)!;
  if (plain) return "plain";
  if (name === "memory") return "memory";
  return needs.includes("passphrase") ? "passphrase" : needs.includes("tpm") ? "tpm" : "keystore";
}

export function storageOf(used: string, snapshot: Snapshot, to_rotate: number): StorageView {
  const file = files[used];
  return {
    strategy: used,
    file: file ? `/home/ada/.local/share/pilotlight/${file}` : null,
    bytes: file ? 28_672 : null,
    exists: true,
    state: snapshot.vault,
    records: snapshot.accounts.length + snapshot.damaged.length,
    damaged: snapshot.damaged.length,
    ways: used === "sqlite-aead" ? [{ kind: "os-keystore", detail: "secret-service" }] : [],
    to_rotate,
    strategies,
  };
}

/** What a move of so many grants tells, step by step. */
export function steps(grants: number): MovingView[] {
  const each = (phase: Phase): MovingView[] => Array.from({ length: grants }, (_, done) => ({ phase, done, all: grants }));
  return [...each("quieting"), ...each("copying"), ...each("verifying"), { phase: "removing", done: 0, all: 0 }, ...each("rotating")];
}

const fine = (what: string, text: string): FindingView => ({ what, health: "fine", text, code: null, hint: null, mend: null });

export function findingsOf({ vault, accounts, damaged }: Snapshot): FindingView[] {
  const found = [fine("home", "/home/ada/.local/share/pilotlight is yours alone.")];
  if (vault.state === "unavailable") {
    const { code, message: text, hint } = vault.problem;
    const mend = vault.can_start_over ? "start-over" : "retry";
    found.push({ what: code.startsWith("keystore") ? "keystore" : "vault", health: "trouble", text, code, hint, mend });
  } else {
    found.push(fine("keystore", "secret-service answers and is unlocked."), fine("vault", "sqlite-aead is open."));
    if (damaged.length > 0) {
      const text = `${damaged.length} of ${accounts.length + damaged.length} cannot be opened.`;
      const hint = "This one account cannot be opened; the others are fine.";
      found.push({ what: "records", health: "trouble", text, code: "record_tampered", hint, mend: null });
    }
  }
  const text = "This machine's clock is 421 seconds ahead of the service's. Set it.";
  return [...found, { what: "clock", health: "note", text, code: null, hint: null, mend: null }];
}
