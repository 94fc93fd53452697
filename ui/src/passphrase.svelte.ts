// A new passphrase while somebody types it, twice.

import { storageText } from "./text/storage";
import { text } from "./state.svelte";

export class NewPassphrase {
  first = $state.raw("");
  second = $state.raw("");
  checked = $state.raw(false);

  /** What is wrong with each, once it was to be used. */
  readonly faults: { first?: string; second?: string } = $derived.by(() => {
    if (!this.checked) return {};
    if (this.first === "") return { first: text().required };
    return this.first === this.second ? {} : { second: storageText().passphrase.differ };
  });

  /** Whether it may be used as it is. */
  check(): boolean {
    this.checked = true;
    return this.faults.first === undefined && this.faults.second === undefined;
  }

  /** Hands it over and forgets it. */
  take(): string {
    const taken = this.first;
    this.first = "";
    this.second = "";
    this.checked = false;
    return taken;
  }
}
