// The host as the window sees it: the only file that knows Tauri. Every command rejects with a `Problem`.

import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { AccountView } from "./bindings/AccountView";
import type { DeviceView } from "./bindings/DeviceView";
import type { EventView } from "./bindings/EventView";
import type { ExplanationView } from "./bindings/ExplanationView";
import type { FindingView } from "./bindings/FindingView";
import type { LabCost } from "./bindings/LabCost";
import type { LabEnd } from "./bindings/LabEnd";
import type { LabEvent } from "./bindings/LabEvent";
import type { LabRequest } from "./bindings/LabRequest";
import type { LabView } from "./bindings/LabView";
import type { MovedView } from "./bindings/MovedView";
import type { MovingView } from "./bindings/MovingView";
import type { PresetView } from "./bindings/PresetView";
import type { SignInRequest } from "./bindings/SignInRequest";
import type { SignInWith } from "./bindings/SignInWith";
import type { Snapshot } from "./bindings/Snapshot";
import type { StorageRequest } from "./bindings/StorageRequest";
import type { StorageView } from "./bindings/StorageView";

/** What the host pushes. */
export interface Listeners {
  snapshot: (snapshot: Snapshot) => void;
  event: (event: EventView) => void;
  /** What to type elsewhere, for the sign-in that is pending. */
  device: (device: DeviceView) => void;
}

/** The whole contract with the host; `api.fake.ts` has the same face. */
export interface Api {
  /** Everything the window shows, now. */
  snapshot(): Promise<Snapshot>;
  /** The journal, newest first; of one account, or of all. */
  events(account: string | null, limit: number): Promise<EventView[]>;
  /** Why the account stands as it does, and what led to it. */
  explain(account: string): Promise<ExplanationView>;
  /** The well-known services. */
  presets(): Promise<PresetView[]>;
  /** Resolves when the person is signed in: in a browser that may take minutes. */
  signIn(request: SignInRequest): Promise<AccountView>;
  /** The same for an account whose sign-in has ended. */
  signInAgain(account: string, how: SignInWith): Promise<AccountView>;
  /** Ends a pending sign-in, which then rejects with `sign_in_cancelled`. */
  cancelSignIn(): Promise<void>;
  refresh(account: string): Promise<void>;
  signOut(account: string): Promise<void>;
  /** Tries to open the vault again. */
  retryVault(): Promise<void>;
  /** Sets a vault that cannot be used aside and begins an empty one. */
  startOver(): Promise<void>;
  /** Opens a vault by its passphrase. */
  unlock(passphrase: string): Promise<void>;
  /** How the grants are kept, and every other way there is. */
  storage(): Promise<StorageView>;
  /** Looks at everything that Pilotlight stands on; changes nothing. */
  examine(): Promise<FindingView[]>;
  /** Begins with a strategy where there is no vault yet. */
  choose(request: StorageRequest): Promise<void>;
  /** Moves every grant, and tells how far it is. */
  migrate(request: StorageRequest, tell: (moving: MovingView) => void): Promise<MovedView>;
  /** What the lab can attack, and how. */
  labList(): Promise<LabView>;
  /** Attacks stores of the lab's own making, and tells of each cell; resolves at the end. */
  labRun(request: LabRequest, tell: (event: LabEvent) => void): Promise<LabEnd>;
  /** Measures what each strategy costs, with stores of the lab's own; tells each figure as it comes. */
  labMeasure(tell: (cost: LabCost) => void): Promise<void>;
  /** Ends the lab's run early. */
  labStop(): Promise<void>;
  /** Hands over what the host pushes; the function it resolves to stops that. */
  subscribe(listeners: Listeners): Promise<() => void>;
}

export const api: Api = {
  snapshot: () => invoke("plugin:pilotlight|snapshot"),
  events: (account, limit) => invoke("plugin:pilotlight|events", { account, limit }),
  explain: (account) => invoke("plugin:pilotlight|explain", { account }),
  presets: () => invoke("plugin:pilotlight|presets"),
  signIn: (request) => invoke("plugin:pilotlight|sign_in", { request }),
  signInAgain: (account, how) => invoke("plugin:pilotlight|sign_in_again", { account, with: how }),
  cancelSignIn: () => invoke("plugin:pilotlight|cancel_sign_in"),
  refresh: (account) => invoke("plugin:pilotlight|refresh", { account }),
  signOut: (account) => invoke("plugin:pilotlight|sign_out", { account }),
  retryVault: () => invoke("plugin:pilotlight|retry_vault"),
  startOver: () => invoke("plugin:pilotlight|start_over"),
  unlock: (passphrase) => invoke("plugin:pilotlight|unlock", { passphrase }),
  storage: () => invoke("plugin:pilotlight|storage"),
  examine: () => invoke("plugin:pilotlight|examine"),
  choose: (request) => invoke("plugin:pilotlight|choose", { request }),
  migrate: async (request, tell) => {
    const stop = await listen<MovingView>("pilotlight://moving", ({ payload }) => tell(payload));
    return invoke<MovedView>("plugin:pilotlight|migrate", { request }).finally(stop);
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
  subscribe: async ({ snapshot, event, device }) => {
    const stops = await Promise.all([
      listen<Snapshot>("pilotlight://snapshot", ({ payload }) => snapshot(payload)),
      listen<EventView>("pilotlight://event", ({ payload }) => event(payload)),
      listen<DeviceView>("pilotlight://device", ({ payload }) => device(payload)),
    ]);
    return () => stops.forEach((stop) => stop());
  },
};
