// English, of the form for a service.

import type { Flow } from "../form";

const flow: Record<Flow, string> = { browser: "In the browser", device: "With a code", password: "With a password" };

export const en = {
  flow: "How to sign in",
  flows: flow,
  deviceHelp: "For a browser on another device, or none here.",
  submit: "Sign in",
  submitBrowser: "Continue in browser",
  submitDevice: "Show me the code",
  submitting: "Signing in…",
  issuer: "Service address",
  issuerHelp: "The issuer, for example https://login.example.org",
  loginUrl: "Address for signing in",
  loginUrlHelp: "Takes user name and password",
  refreshUrl: "Address for refreshing",
  refreshUrlHelp: "Takes the refresh token",
  clientId: "Client ID",
  clientIdHelp: "As the service registered this program",
  clientSecret: "Client secret",
  clientSecretHelp: "Kept encrypted with the account",
  clientSecretRare: "Only where the service gave you one. Kept encrypted with the account.",
  register: "Register it here:",
  name: "Account name",
  nameHelp: "What you and your programs call it",
  more: "More",
  scope: "Scope",
  scopeHelp: "Words separated by spaces; leave as it is if unsure",
  byScheme: "The browser comes back to",
  bySchemeHelp: "Only where the service takes no other redirect address.",
  invalid: {
    addressShape: "Enter a whole address, such as https://login.example.org",
    addressHttps: "The address must begin with https://",
    addressParts: "Leave out everything from ? or # on.",
    nameTaken: "An account of this name exists already.",
    nameLong: "At most 64 characters.",
    clientIdShape: "A client ID holds no spaces.",
  },
};

export type ServiceText = typeof en;
