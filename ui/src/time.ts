// Instants and spans as words. Pure: the caller says what time it is, in milliseconds since the Unix epoch.

import type { Text } from "./text";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A span in its two largest units, "4 min 12 s"; a negative one is zero. */
export function span(ms: number, { unit }: Text): string {
  // Rounded up, so that a countdown ends at zero and not one second before.
  const left = Math.max(0, Math.ceil(ms / SECOND)) * SECOND;
  const whole = (size: number, below = Infinity): number => Math.floor((left % below) / size);
  if (left >= DAY) return unit.day(whole(DAY)) + unit.join + unit.hour(whole(HOUR, DAY));
  if (left >= HOUR) return unit.hour(whole(HOUR)) + unit.join + unit.minute(whole(MINUTE, HOUR));
  if (left >= MINUTE) return unit.minute(whole(MINUTE)) + unit.join + unit.second(whole(SECOND, MINUTE));
  return unit.second(whole(SECOND));
}

/** How long ago, in the largest unit alone, "4 min ago"; the future counts as now. */
export function ago(at: number, now: number, text: Text): string {
  const past = now - at;
  return past < SECOND ? text.unit.now : text.unit.ago(largest(past, text));
}

/** How long until then, "in 4 min 12 s"; the past counts as now. */
export function until(at: number, now: number, text: Text): string {
  return at <= now ? text.unit.now : text.unit.ahead(span(at - now, text));
}

/** A span in its largest unit alone, "4 min". */
export function largest(ms: number, { unit }: Text): string {
  if (ms < MINUTE) return unit.second(Math.floor(ms / SECOND));
  if (ms < HOUR) return unit.minute(Math.floor(ms / MINUTE));
  if (ms < DAY) return unit.hour(Math.floor(ms / HOUR));
  return unit.day(Math.floor(ms / DAY));
}

// To make the first one takes some ten milliseconds, and a card has several instants.
const formats: Record<string, Intl.DateTimeFormat> = {};

/** The instant to the second, as the language writes it. */
export function exact(at: number, language: string): string {
  formats[language] ??= new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  return formats[language].format(at);
}

/** How much of the way from `from` to `to` is left, between 1 and 0. */
export function left(from: number, to: number, now: number): number {
  if (to <= from) return 0;
  return Math.min(1, Math.max(0, (to - now) / (to - from)));
}

/** The day of an instant, as the language writes it; of one within two days the time too. */
export function dayOf(at: number, now: number, language: string): string {
  const timeStyle = at - now < 2 * DAY ? ("short" as const) : undefined;
  return new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle }).format(at);
}
