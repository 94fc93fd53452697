// The texts of signing in, in the person's language.

import { state } from "../state.svelte";
import { en, type SignInText } from "./sign-in.en";
import { zh } from "./sign-in.zh";

const texts = { en, zh };

export function signInText(): SignInText {
  return texts[state.language];
}
