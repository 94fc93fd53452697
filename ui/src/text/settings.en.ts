// English, of the settings.

export const en = {
  title: "Settings",
  faults: "Something in the file of settings is not understood, and counts as not set:",

  storage: "Storage",
  storageBody: "Where sign-ins are kept, and what keeps them from others.",
  change: "Change…",

  look: "Appearance",
  language: "Language",
  languages: { system: "As the desktop", en: "English", zh: "中文" } as Record<string, string>,
  theme: "Colours",
  themes: { system: "As the desktop", light: "Light", dark: "Dark" } as Record<string, string>,

  background: "In the background",
  tray: "Stay in the tray when the window is closed",
  trayHelp: "Without it, nothing is refreshed while the window is closed.",
  autostart: "Start with the desktop",
  autostartHelp: "Only the small agent in the tray, not this window.",

  refresh: "Refreshing",
  leeway: "Refresh this many seconds before the end",
  leewayHelp: "Empty: a quarter of the token's life, at most five minutes.",
  leewayFault: "From 10 to 3600 seconds, or empty.",

  network: "Network",
  proxy: "Proxy",
  proxyHelp: "Empty: as the system says. “none”: directly.",
  proxyFault: "An address such as http://localhost:3128, without a password; “none”; or empty.",
  caFile: "More certificates to trust",
  caFileHelp: "The path of a PEM file, for services of your own. The system's stay trusted.",
  caFileFault: "There is no such file, or it holds no certificate in PEM.",

  save: "Save",
  saved: "Saved.",

  report: "Report a problem",
  reportBody:
    "Writes a file with the journal, the check-up and these settings into your downloads. It names accounts, people and services. It holds no token, no password and no key.",
  write: "Write the report",
  writing: "Writing…",
  written: (file: string, entries: number) => `${entries} ${entries === 1 ? "entry" : "entries"} of the journal and the check-up are in ${file}`,

  developers: "For developers",
  developer: "Developer mode",
  developerHelp: "The Storage Lab under Storage, and what stands in the journal as it is.",
  token: "An access token by hand",
  tokenBody:
    "This window cannot hold a token. In a terminal, this prints one. Whoever sees it can use the account until it ends: do not paste it where others read.",
};

export type SettingsText = typeof en;
