// Where the keyboard goes when something new stands in the window.

import { tick } from "svelte";

/** Whether anybody has been in the page yet: before, nothing was lost. */
let touched = false;
addEventListener("focusin", () => (touched = true));

/** Takes the focus when the element appears. */
export function takesFocus(element: HTMLElement): void {
  element.focus();
}

/** Whoever had the focus may be gone after a change of view: the heading takes it, so that the keyboard starts there. */
export async function headingTakesFocus(): Promise<void> {
  await tick();
  if (touched && document.activeElement === document.body) document.querySelector<HTMLElement>("main h1")?.focus();
}
