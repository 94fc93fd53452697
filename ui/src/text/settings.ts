// The texts of the settings, in the person's language.

import { state } from "../state.svelte";
import { en, type SettingsText } from "./settings.en";
import { zh } from "./settings.zh";

const texts = { en, zh };

export function settingsText(): SettingsText {
  return texts[state.language];
}
