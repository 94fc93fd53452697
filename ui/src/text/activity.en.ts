// English, of the journal.

export const en = {
  title: "Activity",
  filter: "Account",
  all: "All accounts",
  empty: "Nothing has happened yet.",
  emptyBody: "Sign-ins, refreshes and their reasons appear here. Tokens and passwords never do.",
  more: "Show more",
  kinds: {
    "signed-in": "Signed in",
    refreshed: "Refreshed",
    resumed: "Taken up again",
    "refresh-failed": "Refresh did not succeed",
    "save-failed": "Could not be saved",
    ended: "Sign-in ended",
    "signed-out": "Signed out",
    "started-over": "Started over",
    moved: "Storage changed",
    "keys-changed": "Keys changed",
    lent: "Lent to a program",
    refused: "Refused to a program",
    "devices-ended": "Signed out elsewhere",
  },
};

export type ActivityText = typeof en;
