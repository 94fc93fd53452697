// English, of the first run.

export const en = {
  step: (n: number, all: number) => `Step ${n} of ${all}`,
  next: "Next",
  skip: "Skip",

  whatTitle: "Sign in once",
  what: "Pilotlight keeps you signed in to your services. It refreshes quietly before anything runs out, through sleep, bad networks and restarts, and lends what your programs need for a short while.",
  whatNot: "It opens your own browser to sign in. Your password stays between you and the service.",

  howTitle: "How sign-ins are kept",
  how: {
    keystore: (keystore: string) =>
      `Each sign-in is encrypted in a file on this computer, and the key is in ${keystore}: whoever takes the disk gets nothing.`,
    passphrase: () => "Each sign-in is encrypted in a file on this computer, under the passphrase that you chose.",
    tpm: () => "Each sign-in is encrypted in a file on this computer, and only its security chip opens the key.",
    memory: () => "Nothing is written: you are signed out when Pilotlight closes.",
    plain: () => "Every token is in a file that can be read: whoever gets it can use your accounts.",
    own: () => "The application keeps them in its own way.",
  },
  never: "The key to staying signed in never leaves Pilotlight: no program and no web page is given it.",
  other: "Other ways…",

  addTitle: "Add a first account",
};

export type WelcomeText = typeof en;
