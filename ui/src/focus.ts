// Where the keyboard goes when something new stands in the window.

/** Takes the focus when the element appears, where it is wanted there. */
export function takesFocus(element: HTMLElement, wanted = true): void {
  if (wanted) element.focus();
}
