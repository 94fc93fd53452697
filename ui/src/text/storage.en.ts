// English, of what is loaded when it is needed: the vault's own screen, the storage, the check-up.

const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;

const KEYSTORE_DEPENDS =
  "Your other programs may ask the keystore too. A backup that holds the keystore's file as well is as strong as your login password.";

export const en = {
  vault: {
    openingTitle: "Opening the vault",
    opening: "Fetching the key from your keystore. Your system may ask you to unlock it.",
    title: "Your sign-ins are out of reach",
    safe: "Nothing has been deleted.",
    retry: "Try again",
    retrying: "Trying…",
    startOver: "Start over…",
    startOverTitle: "Set this vault aside?",
    startOverBody:
      "Pilotlight keeps the old file beside the new one and begins an empty vault. You will have to sign in to every account again.",
    startOverConfirm: "Set aside and start over",
    passphrase: "Passphrase",
    unlock: "Unlock",
    unlocking: "Unlocking…",
    beginTitle: "How should your sign-ins be kept?",
    newTitle: "Choose a passphrase",
    begin: "Nothing weaker is used by itself, and nothing was written. It is for you to choose:",
    onlyThisRun: "For this run only",
    onlyThisRunBody: "Nothing is written. When Pilotlight closes, everybody is signed out. You can change it later under Storage.",
    withPassphrase: "With a passphrase",
    withPassphraseBody: "One file on this computer, sealed under a passphrase that you type at every start.",
    usePassphrase: "Use this passphrase",
    beginning: "One moment…",
    checkUp: "Check-up",
  },

  passphrase: {
    new: "New passphrase",
    again: "The same once more",
    help: "Several words are better than one. You type it at every start; if you forget it, nobody can open the storage again.",
    differ: "The two are not the same.",
  },

  storage: {
    title: "Storage",
    inUse: "In use",
    recommended: "Recommended",
    others: "Other ways",
    othersBody: "Whoever holds a token can use your account. Each way keeps them from other people.",
    use: "Use this one…",
    needs: (what: string) => `Needs ${what}.`,
    needsNothing: "Needs nothing else.",
    and: " and ",
    file: "File",
    records: "Holds",
    recordsOf: (n: number) => count(n, "sign-in", "sign-ins"),
    damaged: (n: number) => `${n} cannot be opened`,
    ways: "Opened by",
    toRotate: (n: number) => `${count(n, "token is", "tokens are")} still to be rotated after the last move. It is tried again by itself.`,
    who: {
      disk_thief: "Thief of the disk",
      other_user: "Another user",
      same_user: "Your other programs",
      leaked_backup: "Leaked backup",
    },
    gets: { protected: "gets nothing", depends: "it depends", exposed: "gets every token" },
    developers: "For developers",
    labBody: "In the Storage Lab every way of keeping tokens is attacked on this computer.",
    openLab: "Open the Storage Lab",
    need: { keystore: "your keystore", passphrase: "a passphrase", tpm: "a TPM 2.0 chip", redis: "a Redis server" },
    way: {
      "os-keystore": "the keystore",
      passphrase: "a passphrase",
      "recovery-code": "a recovery code",
      tpm2: "the security chip (TPM)",
    },
  },

  // In the order in which they are shown.
  strategies: {
    "sqlite-aead": {
      title: "Encrypted database",
      summary: "Each sign-in is sealed on its own in an SQLite file; the key is in your keystore.",
      depends: KEYSTORE_DEPENDS,
    },
    hardware: {
      title: "Encrypted database, key in the chip",
      summary: "As the encrypted database, but only this computer's TPM 2.0 opens the key.",
      depends: "Your other programs may use the TPM too, but on this computer only.",
    },
    "encrypted-file": {
      title: "File under a passphrase",
      summary: "One file, sealed under a passphrase that you type at every start.",
      depends: "As strong as the passphrase: whoever has the file may guess without limit, and another program of yours may wait until you type it.",
    },
    sqlcipher: {
      title: "SQLCipher database",
      summary: "Every page of an SQLite file is encrypted by SQLCipher 4; the key is in your keystore.",
      depends: KEYSTORE_DEPENDS,
    },
    "keystore-only": {
      title: "Keystore alone",
      summary: "Everything is in entries of your keystore; there is no file.",
      depends: KEYSTORE_DEPENDS,
    },
    "encrypted-prefs": {
      title: "Encrypted preferences",
      summary: "The file of Android's EncryptedSharedPreferences (Google Tink); the master key is in your keystore.",
      depends: KEYSTORE_DEPENDS,
    },
    redis: {
      title: "Shared over Redis",
      summary: "Sealed records in a Redis server, for programs on several computers that share a sign-in.",
      depends: "As strong as the passphrase, and as the place where it is kept on each computer.",
    },
    memory: {
      title: "Memory only",
      summary: "Nothing is written. Everybody is signed out when Pilotlight closes.",
      depends: "Your other programs may read the memory of one that is not hardened.",
    },
    "plain-sqlite": { title: "Readable database", summary: "An SQLite file. Whoever gets it can read it.", depends: "" },
    "plain-file": { title: "Readable file", summary: "A JSON file. Whoever gets it can read it.", depends: "" },
  },

  move: {
    title: (to: string) => `Change to “${to}”?`,
    will: "This will happen:",
    steps: {
      quieting: "Wait until no refresh is under way",
      copying: "Copy every sign-in",
      verifying: "Read the copy back and compare",
      removing: "Switch to it, and remove the old storage",
      rotating: "Rotate every token, so that old copies are worthless",
    },
    safe: "If it is interrupted, nothing is lost, and you stay signed in.",
    plain: "Every token will be readable on the disk: for whoever takes it, for each of your programs, and in every backup.",
    memory: "When Pilotlight closes, everybody is signed out.",
    consent: (name: string) => `To use it all the same, type ${name}`,
    consentFault: (name: string) => `Type ${name}, exactly so.`,
    start: "Change",
    moving: (to: string) => `Changing to “${to}”`,
    of: (done: number, all: number) => `${done} of ${all}`,
    done: (to: string) => `Changed to “${to}”`,
    doneBody: (n: number) => `${count(n, "sign-in is", "sign-ins are")} kept there now, and the old storage is gone.`,
    notRotated:
      "Their tokens could not be rotated yet. It is tried again by itself; until then, somebody with a copy of the old storage could still use it:",
    failed: "It was not changed",
    unchanged: "Everything is as it was before.",
    unsure: "The change was made, and what follows it did not succeed.",
    close: "Done",
  },

  checkUp: {
    title: "Check-up",
    body: "What Pilotlight stands on, from the ground up.",
    again: "Look again",
    looking: "Looking…",
    what: {
      home: "Folder",
      settings: "Settings",
      keystore: "Keystore",
      vault: "Vault",
      records: "Records",
      accounts: "Accounts",
      rotation: "Rotation",
      journal: "Journal",
      clock: "Clock",
    },
    health: { fine: "Fine", note: "Worth knowing", trouble: "Trouble" },
    mend: { retry: "Try again", "start-over": "Start over…" },
  },
};

export type StorageText = typeof en;
