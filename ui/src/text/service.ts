// The texts of the form for a service, which is loaded when it is needed.

import { state } from "../state.svelte";
import { en, type ServiceText } from "./service.en";
import { zh } from "./service.zh";

const texts = { en, zh };

export function serviceText(): ServiceText {
  return texts[state.language];
}
