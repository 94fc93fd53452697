// What the scenarios are made of.

import type { AccountView, Problem, ServiceView } from "tauri-plugin-pilotlight-api";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** How long an access token lives. */
export const LIFETIME = 10 * MINUTE;

export const demo: ServiceView = {
  name: "Demo service",
  issuer: "http://localhost:8443",
  client_id: "pilotlight-desktop",
  scope: "openid profile offline_access",
};

export function makeProblem(code: string, message: string, hint = "As the host said."): Problem {
  return { code, message, hint };
}

/** An account that was refreshed twelve times, last three seconds ago. */
export function makeAccount(name: string, now: number, rest: Partial<AccountView> = {}): AccountView {
  const refreshed = now - 3 * SECOND;
  return {
    id: `grant-${name}`,
    name,
    service: demo.issuer,
    client_id: demo.client_id,
    scope: demo.scope,
    ways: ["browser", "device", "password"],
    tells_devices: true,
    person: `${name}@example.org`,
    status: { state: "signed-in" },
    signed_in_at_ms: now - 2 * HOUR,
    refreshed_at_ms: refreshed,
    access_expires_at_ms: refreshed + LIFETIME,
    refresh_due_at_ms: refreshed + LIFETIME - MINUTE,
    refresh_expires_at_ms: now + 30 * DAY,
    refreshes: 12,
    unknown_since_ms: null,
    ...rest,
  };
}
