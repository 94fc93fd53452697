// The host as the window sees it: the only file that knows Tauri. Every command rejects with a `Problem`.

import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import { pilotlight, type Pilotlight } from "tauri-plugin-pilotlight-api";
import type { LabCost } from "./bindings/LabCost";
import type { LabEnd } from "./bindings/LabEnd";
import type { LabEvent } from "./bindings/LabEvent";
import type { LabRequest } from "./bindings/LabRequest";
import type { LabView } from "./bindings/LabView";
import type { QuestionView } from "./bindings/QuestionView";
import type { VerdictView } from "./bindings/VerdictView";

/** The whole contract with the host: the plugin's, the lab's, and programs that ask; `api.fake.ts` has the same face. */
export interface Api extends Pilotlight {
  /** Tells which account the app was opened for, where it was for one, and each that it is asked for later. */
  openings(tell: (account: string) => void): Promise<void>;
  /** What the lab can attack, and how. */
  labList(): Promise<LabView>;
  /** Attacks stores of the lab's own making, and tells of each cell; resolves at the end. */
  labRun(request: LabRequest, tell: (event: LabEvent) => void): Promise<LabEnd>;
  /** Measures what each strategy costs, with stores of the lab's own; tells each figure as it comes. */
  labMeasure(tell: (cost: LabCost) => void): Promise<void>;
  /** Ends the lab's run early. */
  labStop(): Promise<void>;
  /** Tells which programs ask for tokens: now, and all of them after each change. */
  questions(tell: (open: QuestionView[]) => void): Promise<void>;
  /** What the person says of one that asks. */
  answer(id: number, verdict: VerdictView): Promise<void>;
}

export const api: Api = {
  ...pilotlight,
  openings: async (tell) => {
    await listen<string>("open-account", ({ payload }) => tell(payload));
    // Set by the shell before any script of the page runs.
    const { pilotlightOpensAt: first } = globalThis as { pilotlightOpensAt?: string | null };
    if (first) tell(first);
  },
  labList: () => invoke("plugin:lab|list"),
  labRun: async (request, tell) => {
    const stop = await listen<LabEvent>("lab://event", ({ payload }) => tell(payload));
    return invoke<LabEnd>("plugin:lab|run", { request }).finally(stop);
  },
  labMeasure: async (tell) => {
    const stop = await listen<LabCost>("lab://cost", ({ payload }) => tell(payload));
    return invoke<void>("plugin:lab|measure").finally(stop);
  },
  labStop: () => invoke("plugin:lab|stop"),
  questions: async (tell) => {
    await listen<QuestionView[]>("questions://open", ({ payload }) => tell(payload));
    tell(await invoke("plugin:questions|list"));
  },
  answer: (id, verdict) => invoke("plugin:questions|answer", { id, verdict }),
};
