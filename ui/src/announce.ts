// What a screen reader should say of a change. A silent refresh stays silent.

import type { Snapshot } from "tauri-plugin-pilotlight-api";
import { called } from "./called";
import type { Text } from "./text";

/** The most telling difference between two snapshots, or nothing. */
export function announcement(before: Snapshot, after: Snapshot, { announce }: Text): string | null {
  for (const account of after.accounts) {
    const state = account.status.state;
    const earlier = before.accounts.find(({ id }) => id === account.id)?.status.state;
    if (state === "refreshing" || state === earlier) continue;
    // Coming back from a refresh is no news; coming back from trouble is.
    if (state === "signed-in" && earlier === "refreshing") continue;
    return announce[state](called(account));
  }
  const gone = before.accounts.find(({ id, name }) => !after.accounts.some((one) => one.id === id || one.name === name));
  return gone ? announce.gone(called(gone)) : null;
}
