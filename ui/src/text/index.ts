// The texts of the window, one typed object per language, and how one is chosen.

import type { Problem } from "tauri-plugin-pilotlight-api";
import { en, type Text } from "./en";
import { zh } from "./zh";

export type { Text };
export type Language = "en" | "zh";

export const texts: Record<Language, Text> = { en, zh };

/** What a language calls itself, and its tag for `lang` and `Intl`. */
export const languages: Record<Language, { name: string; tag: string }> = {
  en: { name: "English", tag: "en" },
  zh: { name: "中文", tag: "zh-Hans" },
};

/** The language to begin with: the person's own choice, else the first of the system's that is known. */
export function chooseLanguage(chosen: string, preferred: readonly string[]): Language {
  if (chosen === "en" || chosen === "zh") return chosen;
  for (const tag of preferred) {
    if (/^zh\b/i.test(tag)) return "zh";
    if (/^en\b/i.test(tag)) return "en";
  }
  return "en";
}

/** A problem in the person's language: by its code where that is known, else as it was sent. */
export function problemText(text: Text, problem: Problem): { message: string; hint: string } {
  return named(text.problems, problem.code) ?? problem;
}

/** The look-up of a text by a name that came from the host, which may be newer than this window. */
export function named<Said>(texts: Record<string, Said>, name: string): Said | undefined {
  return Object.hasOwn(texts, name) ? texts[name] : undefined;
}
