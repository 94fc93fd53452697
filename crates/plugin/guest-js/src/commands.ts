// One function for each command of the plugin but those of `fetch.ts`. Every one rejects with a `Problem`.

import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type {
  AccountView,
  BorrowerView,
  DeviceView,
  EndDevicesRequest,
  EventView,
  ExplanationView,
  FindingView,
  ForecastView,
  InvitationView,
  MovedView,
  MovingView,
  PresetView,
  ReportView,
  ServiceView,
  SignInRequest,
  SignInWith,
  SignOutFrom,
  Snapshot,
  StorageRequest,
  StorageView,
} from "./bindings/index.js";

/** What the host pushes. */
export interface Listeners {
  /** Everything a window shows, after every change. */
  snapshot: (snapshot: Snapshot) => void;
  /** Each new entry of the journal. */
  event: (event: EventView) => void;
  /** What a person has to type elsewhere, for the sign-in by a code that is pending. */
  device?: (device: InvitationView) => void;
}

/** The plugin's commands. */
export interface Pilotlight {
  /** Everything a window shows, now. Permission `pilotlight:read`, as for all that only looks. */
  snapshot(): Promise<Snapshot>;
  /** The journal, newest first; of one account, or of all. */
  events(account: string | null, limit: number): Promise<EventView[]>;
  /** Why the account stands as it does, and what led to it. */
  explain(account: string): Promise<ExplanationView>;
  /** Until when the person stays signed in at least, and why. */
  forecast(account: string): Promise<ForecastView>;
  /** The programs that were lent tokens of the account, or refused them, whoever asked last at the front. */
  borrowers(account: string): Promise<BorrowerView[]>;
  /** Where the person is signed in at the service, this sign-in among it. Rejects with `devices_untold` where the service does not tell, `scope_missing` where the scope `devices` was not granted. */
  devices(account: string): Promise<DeviceView[]>;
  /** The well-known services, and what becomes of a refresh token there. Permission `pilotlight:sign-in`, as for the next three. */
  presets(): Promise<PresetView[]>;
  /** Resolves when the person is signed in: in a browser, here or elsewhere, that may take minutes. */
  signIn(request: SignInRequest): Promise<AccountView>;
  /** The same for an account there is, with its service, client and scope, and `more` scope beside. One that lives stays signed in meanwhile; it must be the same person. */
  signInAgain(account: string, how: SignInWith, more?: string): Promise<AccountView>;
  /** Ends a pending sign-in, which then rejects with `sign_in_cancelled`. */
  cancelSignIn(): Promise<void>;
  /** Refreshes now. Permission `pilotlight:manage`, as for all that follows and changes something. */
  refresh(account: string): Promise<void>;
  /** At the service and here, unless told otherwise. */
  signOut(account: string, from?: SignOutFrom): Promise<void>;
  /** Ends other sign-ins of the person at the service; resolves to how many there were. */
  endDevices(account: string, request: EndDevicesRequest): Promise<number>;
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
  /** Sets one thing, by the names and values of `pilotlight settings`; `default` takes it back. Permission `pilotlight:settings`. */
  setSetting(name: string, value: string): Promise<void>;
  /** Writes the journal and how things stand, without secrets, into the person's downloads. Permission `pilotlight:settings`. */
  writeReport(): Promise<ReportView>;
  /** Hands over what the host pushes; the function it resolves to stops that. Needs `core:event:allow-listen` and `allow-unlisten`. */
  subscribe(listeners: Listeners): Promise<() => void>;
}

export const pilotlight: Pilotlight = {
  snapshot: () => invoke("plugin:pilotlight|snapshot"),
  events: (account, limit) => invoke("plugin:pilotlight|events", { account, limit }),
  explain: (account) => invoke("plugin:pilotlight|explain", { account }),
  forecast: (account) => invoke("plugin:pilotlight|forecast", { account }),
  borrowers: (account) => invoke("plugin:pilotlight|borrowers", { account }),
  devices: (account) => invoke("plugin:pilotlight|devices", { account }),
  presets: () => invoke("plugin:pilotlight|presets"),
  signIn: (request) => invoke("plugin:pilotlight|sign_in", { request }),
  signInAgain: (account, how, more = "") => invoke("plugin:pilotlight|sign_in_again", { account, with: how, more }),
  cancelSignIn: () => invoke("plugin:pilotlight|cancel_sign_in"),
  refresh: (account) => invoke("plugin:pilotlight|refresh", { account }),
  signOut: (account, from = "service") => invoke("plugin:pilotlight|sign_out", { account, from }),
  endDevices: (account, request) => invoke("plugin:pilotlight|end_devices", { account, request }),
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
  setSetting: (name, value) => invoke("plugin:pilotlight|set_setting", { name, value }),
  writeReport: () => invoke("plugin:pilotlight|write_report"),
  subscribe: async ({ snapshot, event, device }) => {
    const stops = await Promise.all([
      listen<Snapshot>("pilotlight://snapshot", ({ payload }) => snapshot(payload)),
      listen<EventView>("pilotlight://event", ({ payload }) => event(payload)),
      listen<InvitationView>("pilotlight://device", ({ payload }) => device?.(payload)),
    ]);
    return () => stops.forEach((stop) => stop());
  },
};

/** What `signIn` is given for a service that the plugin offers; by the browser, unless another way is named. */
export function requestFor({ issuer, ...service }: ServiceView, how: SignInWith = { flow: "browser" }): SignInRequest {
  return { ...service, place: { kind: "issuer", issuer }, client_secret: null, with: how };
}
