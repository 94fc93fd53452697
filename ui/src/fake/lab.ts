// The lab of the stand-in host: a few attacks, and verdicts of every kind.

import type { LabCell } from "../bindings/LabCell";
import type { LabCost } from "../bindings/LabCost";
import type { LabView } from "../bindings/LabView";

const attack = (name: string, attacker: string, title: string, quick = true): LabView["attacks"][number] => ({
  name,
  attacker,
  title,
  how: `How ${name} is done.`,
  right: `What must come of ${name}.`,
  quick,
});

export const labView: LabView = {
  attackers: [
    { name: "disk-thief", title: "Thief of the disk or of a backup" },
    { name: "same-user", title: "Another program of the same user" },
    { name: "fault", title: "Faults: crash, disk, keystore, clock" },
  ],
  attacks: [
    attack("read-files", "disk-thief", "Reads every file of the home"),
    attack("flip-bits", "disk-thief", "Turns single bits over"),
    attack("ask-keystore", "same-user", "Asks the keystore for the key"),
    attack("dump-memory", "same-user", "Reads the memory of the running process", false),
    attack("kill-commit", "fault", "Is killed in the middle of a commit"),
  ],
  strategies: ["memory", "plain-file", "sqlite-aead"],
};

function verdictOf(strategy: string, attack: string): LabCell["verdict"] {
  if (strategy === "memory") return attack === "kill-commit" ? "not-applicable" : "withstood";
  if (strategy === "plain-file") return attack === "kill-commit" ? "fell" : "fell-as-expected";
  if (attack === "ask-keystore") return "fell-as-expected";
  return attack === "dump-memory" ? "inconclusive" : "withstood";
}

function cellOf(strategy: string, attack: string): LabCell {
  const verdict = verdictOf(strategy, attack);
  const fell = verdict.startsWith("fell");
  return {
    verdict,
    why: verdict === "withstood" || verdict === "fell" ? null : `The reason of ${strategy} and ${attack}.`,
    evidence: fell ? ["vault.json, byte 123: the first refresh token"] : [],
    done: `What was done: ${attack}.`,
    found: verdict === "withstood" ? "Nothing of any token was found." : null,
    milliseconds: 120,
  };
}

export function labCells(strategies: string[], quick: boolean): { strategy: string; attack: string; cell: LabCell }[] {
  const attacks = labView.attacks.filter((one) => one.quick || !quick);
  return strategies.flatMap((strategy) =>
    attacks.map(({ name }) => ({ strategy, attack: name, cell: cellOf(strategy, name) })),
  );
}

export const labCosts: LabCost[] = labView.strategies.flatMap((strategy, place) =>
  [1, 100, 1000].map((records) => {
    const times = (factor: number): LabCost["open"] => ({ p50: factor * (place + 1) * 10, p95: factor * (place + 1) * 25 });
    const commit = times(place === 1 ? records : 9);
    return {
      strategy,
      records,
      open: times(30),
      read: times(2),
      commit,
      rotate: times(12),
      bytes: 4096 + 300 * records,
      syncs: place === 0 ? 0 : 2,
      keystore_calls: place,
      memory_kib: 6000,
    };
  }),
);
