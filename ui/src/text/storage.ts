// The texts of what is loaded when it is needed, in the person's language.

import { state } from "../state.svelte";
import { en, type StorageText } from "./storage.en";
import { zh } from "./storage.zh";

export type { StorageText };

const texts = { en, zh };

export function storageText(): StorageText {
  return texts[state.language];
}

/** What a strategy is called and does; one that this window does not know yet has its name and the host's own sentence. */
export function strategyText(strategy: { name: string; summary: string; depends_on: string }): StorageText["strategies"]["memory"] {
  const known: Record<string, StorageText["strategies"]["memory"]> = storageText().strategies;
  const { name: title, summary, depends_on: depends } = strategy;
  return Object.hasOwn(known, title) ? known[title]! : { title, summary, depends };
}
