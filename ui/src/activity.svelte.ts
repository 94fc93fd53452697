// The journal as far as it was asked for: from the first look at it, every new entry is put on top.

import { api } from "#api";
import type { EventView } from "tauri-plugin-pilotlight-api";
import { onEvent, unexpected } from "./state.svelte";

const PAGE = 100;

class Activity {
  /** Newest first; of `of` alone where that is set. */
  events: readonly EventView[] = $state.raw([]);
  /** How many were asked for; there may be more when `events` holds as many. */
  limit: number = $state.raw(PAGE);
  of: string | null = $state.raw(null);
  /** Whether the first answer is still on its way. */
  loading: boolean = $state.raw(true);

  /** Asks for a page more. */
  async more(): Promise<void> {
    this.limit += PAGE;
    await this.load();
  }

  /** Shows the events of one account alone, or of all. */
  async showOf(account: string | null): Promise<void> {
    this.of = account;
    this.limit = PAGE;
    await this.load();
  }

  async load(): Promise<void> {
    const account = this.of;
    const loaded = await api.events(account, this.limit).catch(unexpected);
    this.loading = false;
    if (!loaded || account !== this.of) return;
    const newest = loaded[0]?.seq ?? -1;
    // What was pushed while the journal was on its way is newer than all of it.
    const pushed = this.events.filter((event) => event.seq > newest && concerns(event, account));
    this.events = [...pushed, ...loaded];
  }

  take(event: EventView): void {
    if (!concerns(event, this.of) || this.events.some(({ seq }) => seq === event.seq)) return;
    this.events = [event, ...this.events].slice(0, this.limit);
  }
}

function concerns(event: EventView, account: string | null): boolean {
  return account === null || event.account === account;
}

export const activity = new Activity();
onEvent.add((event) => activity.take(event));
void activity.load();
