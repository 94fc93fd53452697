// The lab's run: it goes on while the person looks at something else.

import { api } from "#api";
import type { LabCell } from "./bindings/LabCell";
import type { LabCost } from "./bindings/LabCost";
import type { LabEnd } from "./bindings/LabEnd";
import type { LabEvent } from "./bindings/LabEvent";
import type { LabView } from "./bindings/LabView";
import type { Problem } from "tauri-plugin-pilotlight-api";
import { attempt } from "./state.svelte";

export type Verdict = "withstood" | "fell" | "fell-as-expected" | "not-applicable" | "inconclusive";

class Lab {
  view: LabView | null = $state.raw(null);
  /** By `strategy attack`; replaced whole. */
  cells: ReadonlyMap<string, LabCell> = $state.raw(new Map());
  /** What is under attack now. */
  now: LabEvent | null = $state.raw(null);
  running: boolean = $state.raw(false);
  costs: readonly LabCost[] = $state.raw([]);
  measuring: boolean = $state.raw(false);
  stopping: boolean = $state.raw(false);
  end: LabEnd | null = $state.raw(null);
  failed: Problem | null = $state.raw(null);

  async load(): Promise<void> {
    if (this.view) return;
    this.failed = await attempt(api.labList().then((view) => (this.view = view)));
  }

  async run(strategies: string[], quick: boolean): Promise<void> {
    if (this.running || this.measuring) return;
    [this.running, this.stopping, this.end, this.now, this.cells] = [true, false, null, null, new Map()];
    const take = (event: LabEvent): void => {
      this.now = event;
      if (event.cell) this.cells = new Map(this.cells).set(key(event.strategy, event.attack), event.cell);
    };
    this.failed = await attempt(api.labRun({ strategies, quick }, take).then((end) => (this.end = end)));
    this.running = false;
  }

  async measure(): Promise<void> {
    if (this.running || this.measuring) return;
    [this.measuring, this.stopping, this.costs] = [true, false, []];
    this.failed = await attempt(api.labMeasure((cost) => (this.costs = [...this.costs, cost])));
    this.measuring = false;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await attempt(api.labStop());
  }

  cell(strategy: string, attack: string): LabCell | undefined {
    return this.cells.get(key(strategy, attack));
  }

  /** How often a strategy came out so. */
  count(strategy: string, verdict: Verdict): number {
    return [...this.cells].filter(([name, cell]) => name.startsWith(`${strategy} `) && cell.verdict === verdict).length;
  }
}

const key = (strategy: string, attack: string): string => `${strategy} ${attack}`;

export const lab = new Lab();
