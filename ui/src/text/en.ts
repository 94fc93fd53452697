// English. Its shape is the type every other language must fill: a missing text does not compile.

const plural = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;

export const en = {
  app: "Pilotlight",
  language: "Language",
  skip: "Skip to content",
  loading: "Starting…",
  cancel: "Cancel",
  back: "Back",
  details: "Details",
  required: "Please fill this in.",

  nav: { label: "Views", accounts: "Accounts", activity: "Activity", storage: "Storage", settings: "Settings", add: "Add account" },

  unit: {
    day: (n: number) => `${n} d`,
    hour: (n: number) => `${n} h`,
    minute: (n: number) => `${n} min`,
    second: (n: number) => `${n} s`,
    join: " ",
    ago: (span: string) => `${span} ago`,
    ahead: (span: string) => `in ${span}`,
    now: "now",
  },

  later: {
    loading: "One moment…",
    failed: "This part of the window could not be loaded.",
    hint: "Your accounts are not affected. If it happens again, install Pilotlight anew.",
    again: "Load the window again",
  },

  clock: {
    fast: (span: string) => `Your clock is ${span} fast.`,
    slow: (span: string) => `Your clock is ${span} slow.`,
    note: "You stay signed in all the same. Set it right in your system's settings: other programs may need it.",
  },

  vault: {
    kept: {
      keystore: (keystore: string) => `Encrypted. Key in ${keystore}`,
      passphrase: "Encrypted under your passphrase",
      tpm: "Encrypted. Key in the security chip",
      memory: "In memory only, until Pilotlight closes",
      plain: "Not encrypted",
      own: "Kept by the application",
    },
    damagedTitle: (n: number) => `${plural(n, "record", "records")} could not be opened`,
    damaged: "Kept as found, for inspection. Your other accounts are not affected; sign in again to the missing ones.",
  },

  keystore: {
    "secret-service": "Secret Service",
    keychain: "Keychain",
    "credential-manager": "Credential Manager",
    memory: "memory only",
  },

  state: {
    "signed-in": "Signed in",
    refreshing: "Refreshing",
    waiting: "Waiting",
    ended: "Ended",
  },

  account: {
    refreshesIn: (span: string) => `Refreshes in ${span}`,
    refreshing: "Refreshing now…",
    due: "Refresh is due",
    noRefresh: "No silent refresh planned",
    untilIn: (span: string) => `Access ends in ${span}`,
    lastRefreshed: "Last refreshed",
    refreshes: (n: number): string => (n === 1 ? "refresh" : "refreshes"),
    stillSignedIn: "Still signed in.",
    tryingAgain: (span: string) => `Trying again in ${span}.`,
    tryingNow: "Trying again now.",
    endedAgo: "Ended",
    unknown: (ago: string) => `No answer came to the refresh begun ${ago}; the same request is sent again.`,
    why: "Why?",
    explain: "Explain",
    explanation: "Explanation",
    since: "Since",
    next: "Next",
    timeline: "What led to it",
    refreshNow: "Refresh now",
    signOut: "Sign out",
    remove: "Remove",
    signOutQuestion: (name: string) => `Sign out of ${name}? Programs that use it lose access.`,
    removeQuestion: (name: string) => `Remove ${name}? What is left of it is erased from this computer.`,
    signInAgain: "Sign in again",
    with: { browser: "In the browser", device: "With a code", password: "With a password" },
    signingOut: "Signing out…",
    service: "Service",
    signedInAt: "Signed in",
    accessUntil: "Access token until",
    refreshUntil: "Refresh token until",
  },

  announce: {
    "signed-in": (account: string) => `${account} is signed in.`,
    waiting: (account: string) => `${account} is still signed in and waits for the service.`,
    ended: (account: string) => `The sign-in of ${account} has ended.`,
    gone: (account: string) => `${account} is signed out.`,
  },

  // One for each error code of the core.
  problems: {
    grant_refused: {
      message: "The service ended this sign-in.",
      hint: "Sign in again. If you did not end it yourself, look at this account's devices at the service.",
    },
    lost_answer: {
      message: "An answer of the service was lost on the way, and it accepts no second try.",
      hint: "Sign in again to go on.",
    },
    no_refresh_token: {
      message: "The service gave nothing to refresh with.",
      hint: "Sign in again with a scope that allows it, often offline_access.",
    },
    no_such_account: { message: "There is no such account any more.", hint: "It may have been signed out elsewhere." },
    wrong_credentials: { message: "User name or password is not right.", hint: "Check both and try again." },
    sign_in_denied: {
      message: "The service did not allow the sign-in.",
      hint: "Try again, and allow access when the service asks.",
    },
    sign_in_cancelled: { message: "The sign-in was cancelled.", hint: "Start it again when you are ready." },
    sign_in_timed_out: { message: "The sign-in was not finished in time.", hint: "Start again and finish within ten minutes." },
    sign_in_pending: { message: "A sign-in to this account is under way.", hint: "Finish or cancel it where it is open, then try again." },
    offline: { message: "The service cannot be reached.", hint: "Check the address and your network connection." },
    no_answer: {
      message: "The service did not answer.",
      hint: "Nothing needs to be done: the same request is repeated safely.",
    },
    server_unavailable: { message: "The service has trouble just now.", hint: "Try again in a while." },
    grant_busy: { message: "Another program is refreshing this account.", hint: "Try again in a moment." },
    server_misbehaved: {
      message: "The answer makes no sense for this service.",
      hint: "Something on the network may be answering in its place, such as a hotel's sign-in page. Open a web page, then try again.",
    },
    not_a_service: { message: "There is no sign-in service at this address.", hint: "Check the address for typing errors." },
    wrong_issuer: {
      message: "The service calls itself by another address than the one asked.",
      hint: "Use the address exactly as the service writes it. If it is right, do not go on.",
    },
    client_refused: {
      message: "The service does not accept this client.",
      hint: "Check the client ID and the scope with the people who run the service.",
    },
    flow_unsupported: { message: "The service does not offer this way to sign in.", hint: "Try the other one." },
    devices_untold: { message: "The service does not tell where else you are signed in.", hint: "Look at its own account page." },
    scope_missing: { message: "This sign-in was not granted what it needs for that.", hint: "Sign in again, and ask for it." },
    name_taken: { message: "An account of this name exists already.", hint: "Choose another name." },
    bad_input: { message: "Something in the form is not right.", hint: "The details tell what. Correct it and try again." },
    screen_locked: { message: "The screen is locked, so no page was opened.", hint: "Unlock it, then start the sign-in again." },
    browser_failed: {
      message: "Your browser could not be opened.",
      hint: "Set a default browser on this computer, then try again.",
    },
    keystore_absent: {
      message: "No keystore was found on this computer.",
      hint: "Start your desktop's keystore, such as GNOME Keyring or KWallet, then try again.",
    },
    keystore_locked: { message: "Your keystore is locked.", hint: "Unlock it, then try again." },
    keystore_timeout: {
      message: "Your keystore does not answer.",
      hint: "It may be asking for a password in another window. Answer it, then try again.",
    },
    keystore_ambiguous: {
      message: "The keystore holds more than one key for this vault.",
      hint: "Remove the entries that Pilotlight did not write, then try again.",
    },
    keystore_failed: {
      message: "Your keystore reported a failure.",
      hint: "Try again. If it goes on, restart the keystore.",
    },
    keystore_changed: {
      message: "Another keystore keeps the vault's key.",
      hint: "Start the one that the vault was made with, then try again. Your accounts are kept.",
    },
    key_lost: {
      message: "The key to your vault is no longer in the keystore.",
      hint: "If this is another keystore than before, go back to the first one and try again. If it was reset, nobody can open this vault any more: start over.",
    },
    key_corrupt: {
      message: "The key in your keystore is damaged.",
      hint: "Restore the keystore from a backup and try again, or start over.",
    },
    wrong_key: {
      message: "The key in your keystore belongs to another vault.",
      hint: "Bring back the keystore and the vault file that belong together and try again, or start over.",
    },
    vault_damaged: {
      message: "The vault file is damaged.",
      hint: "Restore it from a backup of today and try again, or start over.",
    },
    vault_rolled_back: {
      message: "The vault file is older than the one last used.",
      hint: "Its tokens are not used, because spending them would sign you out. Put the newer file back and try again, or start over.",
    },
    record_tampered: {
      message: "The record of this account cannot be opened.",
      hint: "Your other accounts are fine. Remove this one and sign in again.",
    },
    vault_newer: { message: "A newer Pilotlight wrote this vault.", hint: "Update Pilotlight, then try again." },
    vault_busy: { message: "Another program holds the vault.", hint: "Close it, then try again." },
    vault_io: {
      message: "The vault could not be read or written.",
      hint: "Free space on the disk or make its folder writable. What could not be saved is kept in memory until it can.",
    },
    locked: { message: "Pilotlight is locked.", hint: "Unlock it to go on. Your accounts are kept." },
    passphrase_needed: { message: "The vault is locked by a passphrase.", hint: "Enter the passphrase to open it." },
    wrong_passphrase: {
      message: "The passphrase is wrong.",
      hint: "Check it and the keyboard layout, then try again.",
    },
    strategy_unavailable: {
      message: "This way of storing cannot be used here.",
      hint: "Provide what it needs and try again, or choose another way.",
    },
    tpm_lost: {
      message: "The security chip no longer opens the vault.",
      hint: "Use the recovery code if there is one, or start over.",
    },
    vault_moved: {
      message: "These accounts were moved to another way of storing.",
      hint: "Use that one; the tokens in this file were replaced.",
    },
    record_too_large: {
      message: "The service's tokens are too long to be kept.",
      hint: "Ask for less scope, or ask the service's operator for shorter tokens.",
    },
    unsafe_path: {
      message: "The vault's folder is open to others.",
      hint: "Make the folder yours alone, without symbolic links, then try again.",
    },
    internal: { message: "Pilotlight made a mistake.", hint: "Please report it together with the details." },
  },
};

export type Text = typeof en;
