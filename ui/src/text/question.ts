// The texts of the question whether a program is lent a token, which is loaded when one asks.

import { state } from "../state.svelte";
import { en, type QuestionText } from "./question.en";
import { zh } from "./question.zh";

const texts = { en, zh };

export function questionText(): QuestionText {
  return texts[state.language];
}
