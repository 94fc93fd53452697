// English, of signing in.

export const en = {
  empty: {
    title: "Keep the flame lit",
    body: "Sign in once. Pilotlight refreshes quietly in the background, and keeps what it needs encrypted on this computer.",
  },

  title: "Add an account",
  to: (service: string) => `Sign in to ${service}`,
  how: "Opens your browser",
  withPassword: "Use a password instead",
  known: "Well-known services",
  presets: { "plain-json": "Your own JSON service" } as Record<string, string>,
  other: "Another service…",
  otherTitle: "Another service",
  username: "User name",
  password: "Password",
  passwordNote: "It is sent once to the service and is not kept.",
  submit: "Sign in",
  submitting: "Signing in…",

  pending: {
    title: "Finish in your browser",
    body: (service: string) => `A page of ${service} has opened. Sign in there, then come back here.`,
    note: "No page? Cancel and try again.",
    cancelling: "Cancelling…",
    asking: (service: string) => `Asking ${service} for a code…`,
    codeTitle: "Type this code in any browser",
    openThere: "Open",
    copy: "Copy code",
    copied: "Copied",
    goodFor: (span: string) => `Good for ${span}`,
    picture: "QR code of the address",
  },
};

export type SignInText = typeof en;
