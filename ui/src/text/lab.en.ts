// English, of the Storage Lab. What was done and found is told by the host, in English.

export const en = {
  title: "Storage Lab",
  body: "Every way of keeping tokens is attacked on this very computer, in throw-away folders with tokens of the lab's own. Your sign-ins are not touched.",
  back: "Back to storage",
  which: "Attacks",
  quick: "Quick ones",
  all: "All of them",
  start: "Attack",
  stop: "Stop",
  stopping: "Stopping…",
  progress: (done: number, all: number) => `${done} of ${all} cells`,
  now: (strategy: string, attack: string) => `${strategy}: ${attack}`,
  ended: (faults: number, stopped: boolean) =>
    (stopped ? "Stopped early. " : "Done. ") +
    (faults === 0 ? "Nothing fell that should not have." : `What fell and should not have: ${faults} of the cells.`),
  matrix: "What withstood what",
  attack: "Attack",
  waiting: "not attacked yet",
  verdict: {
    withstood: "withstood",
    fell: "fell",
    "fell-as-expected": "fell, as it says itself",
    "not-applicable": "nothing to attack",
    inconclusive: "could not be tried",
  },
  cell: {
    choose: "Choose a cell to see what was done there and what was found.",
    how: "How",
    right: "What must come of it",
    done: "What was done",
    found: "What was found",
    why: "Why",
    took: "Took",
  },
  costs: {
    title: "What it costs here",
    measure: "Measure",
    measuring: "Measuring. That takes a minute or two.",
    which: "What is timed",
    records: "How many records",
    recordsOf: (n: number) => (n === 1 ? "1 record" : `${n} records`),
    work: { open: "Opening", read: "Reading a record", commit: "Saving a record durably", rotate: "A whole rotation" },
    strategy: "Strategy",
    chart: "Compared",
    more: (kib: number, syncs: string, keystore: number, mib: number) =>
      `${kib} KiB on disk, ${syncs} syncs a commit, ${keystore} calls of the keystore, ${mib} MiB of memory`,
    legend: "The coloured bar is the middle of all times; one in twenty took longer than the grey one.",
  },
  advice: {
    title: "What should I use?",
    question: { against: "Who do you defend against?", keystore: "Is there a keystore?", tokens: "How many tokens?" },
    against: {
      thief: "Whoever steals the disk or a backup",
      users: "Other users of the machine",
      programs: "Other programs of the same user",
      nobody: "Nobody: I am looking at what is stored",
    },
    keystore: { yes: "Yes, on this machine", no: "No", hosts: "Several machines share the tokens" },
    tokens: { few: "Up to some hundred", many: "Thousands" },
    reason: {
      debugging: "Everybody who can read the file can read it, you included. For development alone.",
      hosts: "Records are sealed on each host and shared over Redis; its key comes from a passphrase.",
      programs: "A keystore answers every program of yours. A passphrase that you type is known to nobody until you do.",
      manyPrograms: "Other programs may use the TPM too, but on this machine only: nothing that they copy is of use elsewhere.",
      noKeystore: "Without a keystore the key has to come from you: a passphrase at every start.",
      usual: "Each token sealed on its own, the key in the keystore, and an older copy put back is noticed.",
    },
    evidence: (withstood: number, expected: number, fell: number) =>
      `In this run: ${withstood} withstood, ${expected} fell as it says itself, ${fell} fell otherwise.`,
    noEvidence: "Attack it here to see the evidence.",
  },
};

export type LabText = typeof en;
