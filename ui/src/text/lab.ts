// The texts of the lab, in the person's language.

import { state } from "../state.svelte";
import { en, type LabText } from "./lab.en";
import { zh } from "./lab.zh";

const texts = { en, zh };

export function labText(): LabText {
  return texts[state.language];
}
