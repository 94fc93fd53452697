// Programs that ask for tokens. Loaded after the first view; the question itself only where somebody asks.

import { mount } from "svelte";
import { api } from "#api";
import type { QuestionView } from "./bindings/QuestionView";
import { unexpected } from "./state.svelte";

class Asked {
  /** The oldest first. */
  open: readonly QuestionView[] = $state.raw([]);
}

export const asked = new Asked();
let shown: Promise<unknown> | null = null;

function take(open: QuestionView[]): void {
  asked.open = open;
  if (open.length > 0) shown ??= show();
}

async function show(): Promise<void> {
  try {
    const { default: Question } = await import("./parts/Question.svelte");
    mount(Question, { target: document.body });
  } catch (error) {
    shown = null;
    unexpected(error);
  }
}

// Where nobody lends, nobody asks: then the host does not know of it.
void api.questions(take).catch(() => {});
