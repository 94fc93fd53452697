// The texts of an account's page, in the person's language.

import { state } from "../state.svelte";
import { en, type AccountText } from "./account.en";
import { zh } from "./account.zh";

const texts = { en, zh };

export function accountText(): AccountText {
  return texts[state.language];
}
