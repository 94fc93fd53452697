// An account's page of the stand-in host: what is forecast, who borrowed, and where else the person is signed in.

import type { AccountView, BorrowerView, DeviceView, EventView, ForecastView } from "tauri-plugin-pilotlight-api";
import { DAY, HOUR, MINUTE } from "./things";

export function forecastOf({ status, refresh_due_at_ms, refresh_expires_at_ms, access_expires_at_ms }: AccountView): ForecastView {
  const reason = (code: string, span_ms: number | null = null) => ({ code, span_ms });
  const open = { until_ms: null, lapses_at_ms: null };
  if (status.state === "ended") return { ...open, reasons: [reason("ended")] };
  const trouble = status.state === "waiting" ? [reason("waiting")] : [];
  if (refresh_expires_at_ms !== null) {
    const reasons = [...trouble, reason("told"), reason("moves-on"), reason("ended-before", 9 * DAY)];
    return { until_ms: refresh_expires_at_ms, lapses_at_ms: null, reasons };
  }
  if (refresh_due_at_ms === null) {
    return { until_ms: access_expires_at_ms, lapses_at_ms: access_expires_at_ms, reasons: [reason("nothing-to-refresh-with")] };
  }
  return { ...open, reasons: [...trouble, reason("nothing-told"), reason("of-tomorrow")] };
}

export function borrowersOf(events: readonly EventView[], account: string): BorrowerView[] {
  if (account !== "ada") return [];
  const now = events[0]?.at_ms ?? 0;
  return [
    { program: "/usr/bin/git", lent_at_ms: now - 12 * MINUTE, refused_at_ms: null },
    { program: "/usr/lib/a-long-path/to-some/program-that-asked-too-often", lent_at_ms: now - 3 * HOUR, refused_at_ms: now - HOUR },
  ];
}

export function devicesOf(now: number): DeviceView[] {
  const device = (id: string, rest: Partial<DeviceView>): DeviceView => ({
    id,
    this: false,
    browser: false,
    app: null,
    program: null,
    system: null,
    address: null,
    signed_in_at_ms: now - 9 * DAY,
    last_used_at_ms: null,
    ...rest,
  });
  return [
    device("9c", { app: "Pilotlight", system: "Windows", address: "192.0.2.7", last_used_at_ms: now - 2 * DAY }),
    device("77", { this: true, app: "Pilotlight", system: "Linux", address: "192.0.2.4", last_used_at_ms: now - 3 * MINUTE }),
    device("e1", { browser: true, program: "Firefox", system: "macOS", address: "2001:db8::4:7" }),
    device("f0", { browser: true }),
  ];
}
