// The texts of the first run, in the person's language.

import { state } from "../state.svelte";
import { en, type WelcomeText } from "./welcome.en";
import { zh } from "./welcome.zh";

const texts = { en, zh };

export function welcomeText(): WelcomeText {
  return texts[state.language];
}
