// The host's clock, once a second, while somebody can see it. The page's own clock may be wrong, so only its pace is used.

import { state } from "./state.svelte";
import { languages } from "./text";
import { exact } from "./time";

const TICK = 1000;

let page = $state.raw(Date.now());

/** The present instant by the host's clock, in milliseconds since the Unix epoch. */
export function now(): number {
  if (!state.snapshot) return page;
  // A snapshot that came after the last tick is itself the newest word.
  return state.snapshot.now_ms + Math.max(0, page - state.heardAt);
}

/** The instant to the second, for who looks closer: it is worked out once the first picture stands. */
export function exactly(at: number): string | null {
  return state.settled ? exact(at, languages[state.language].tag) : null;
}

/** Ticks while the page is visible; returns what stops it. */
export function startClock(): () => void {
  let timer: ReturnType<typeof setInterval> | undefined;
  const tick = (): void => {
    page = Date.now();
  };
  const look = (): void => {
    clearInterval(timer);
    if (document.hidden) return;
    tick();
    timer = setInterval(tick, TICK);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
  };
}
