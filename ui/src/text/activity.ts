// The texts of the journal, in the person's language.

import { state } from "../state.svelte";
import { en, type ActivityText } from "./activity.en";
import { zh } from "./activity.zh";

const texts = { en, zh };

export function activityText(): ActivityText {
  return texts[state.language];
}
