// English, of an account's page.

/** How an account stands, in a sentence. */
type Explained = Record<"refreshing" | "unknown" | "once" | "fresh" | "refreshed" | "waiting", string>;

export const en = {
  /** None: the core's own sentences are English, and say more. */
  explained: null as Explained | null,

  headline: {
    until: (day: string) => `Signed in until at least ${day}`,
    overdue: "Signed in, and about to ask the service",
    open: "Signed in, with no end known",
    ended: "Signed out by the service",
  },
  why: "Why",
  reasons: {
    "nothing-to-refresh-with": () => "The service gave nothing to refresh with, so it lasts as long as the access token.",
    told: () => "The service said so when it gave the present tokens.",
    "moves-on": () => "Each refresh so far has moved this on: it goes on for as long as Pilotlight runs now and then.",
    "stands-still": () => "Refreshes do not move this on. Sign in again before then, and nothing is interrupted.",
    documented: (span: string) => `The service documents that a sign-in ends after ${span} without use. Each refresh counts as use.`,
    "nothing-told": () => "The service does not tell how long a sign-in lasts. Pilotlight keeps it up for as long as it is let.",
    "not-offline": () => "The service did not grant lasting access, so it may end with your session there.",
    "ended-before": (span: string) => `An earlier sign-in of this account was ended by the service after ${span}.`,
    "has-lasted": (span: string) => `It has lasted for ${span} already.`,
  } as Record<string, (span: string) => string>,

  days: (n: number) => (n === 1 ? "1 day" : `${n} days`),

  facts: "Tokens and storage",
  nextRefresh: "Next refresh",
  none: "None planned",
  client: "Client ID",
  scope: "Scope",
  grantedAll: "What the service chose",
  kept: "Kept",
  strategy: "Storage",

  programs: "Programs",
  programsNone: "No program was lent a token of this account.",
  lent: "Lent",
  refused: "Refused",

  devices: "Other devices",
  devicesLoading: "Asking the service…",
  devicesNone: "You are signed in nowhere else at this service.",
  devicesUnsupported: "This service does not tell where else you are signed in.",
  devicesRefused: "This sign-in may not see your devices. Sign in again and ask for the scope “devices” to see them here. Programs that you lend its tokens to may see them then, too.",
  devicesAsk: "Sign in again and ask",
  thisDevice: "This sign-in",
  browser: "A browser",
  app: "An app",
  on: (program: string, system: string) => `${program} on ${system}`,
  since: "Signed in",
  used: "Last used",
  end: "Sign out there",
  endOf: (device: string) => `Sign out there: ${device}`,
  endOthers: (n: number) => `Sign out of all ${n} others`,
  endOthersQuestion: (n: number) => `Sign out of ${n} other devices?`,
  ending: "Signing out…",
  endedMany: (n: number) => (n === 1 ? "One device was signed out." : `${n} devices were signed out.`),

  history: "History",
  historyNone: "The journal remembers nothing of this account.",
  more: "Show more",

  leave: {
    title: "How far?",
    service: "This sign-in",
    serviceHelp: "Ends at the service and is removed here. Your other devices stay signed in.",
    all: "All my devices",
    allHelp: "Ends every sign-in of yours at this service, in browsers too.",
    here: "This computer only, without telling the service",
    hereHelp: "Its tokens live on at the service until they expire. For when the service is gone.",
  },
};

export type AccountText = typeof en;
