// What people know accounts and services by. Pure.

import type { AccountView } from "tauri-plugin-pilotlight-api";

/** Whom to call the account: the person where known, else its name. */
export function called(account: AccountView): string {
  return account.person ?? account.name;
}

/** Host and port of a service, or the address as it is if it cannot be read. */
export function host(service: string): string {
  return URL.canParse(service) ? new URL(service).host || service : service;
}
