// What the sign-in form holds and when it may be sent. Pure; the host checks again.

import type { PlaceRequest, PresetView, SignInRequest, SignInWith } from "tauri-plugin-pilotlight-api";

export type Flow = SignInWith["flow"];

export interface Form {
  issuer: string;
  loginUrl: string;
  refreshUrl: string;
  clientId: string;
  clientSecret: string;
  name: string;
  scope: string;
  flow: Flow;
  /** Whether the browser comes back by the app's own scheme. */
  byScheme: boolean;
  username: string;
  password: string;
}

export type Field = Exclude<keyof Form, "scope" | "flow" | "byScheme">;
export type Faults = Partial<Record<Field, string>>;

/** What is said of a field that is wrong. */
export interface Complaints {
  required: string;
  addressShape: string;
  addressHttps: string;
  addressParts: string;
  nameTaken: string;
  nameLong: string;
  clientIdShape: string;
}

const DEFAULT_SCOPE = "openid profile email offline_access";
const NAME_LIMIT = 64;
const FLOWS: readonly Flow[] = ["browser", "device", "password"];

/** The form for a well-known service, or for any. */
export function newForm(preset: PresetView | null, taken: readonly string[]): Form {
  const blank = { loginUrl: "", refreshUrl: "", clientId: "", clientSecret: "", byScheme: false, username: "", password: "" };
  if (!preset) return { ...blank, issuer: "", name: "", scope: DEFAULT_SCOPE, flow: "browser" };
  const issuer = preset.place.kind === "issuer" ? preset.place.issuer : "";
  return { ...blank, issuer, name: freeName(preset.id, taken), scope: preset.scope, flow: preset.flows[0] ?? "browser" };
}

/** The ways in that the form offers. */
export function flows(preset: PresetView | null): readonly Flow[] {
  return preset?.flows ?? FLOWS;
}

/** Which fields the form has, in their order. */
export function fields(form: Form, preset: PresetView | null): Field[] {
  const kind = preset?.place.kind ?? "issuer";
  const wanted: Field[] = [];
  if (kind === "issuer" && (!preset || (preset.place.kind === "issuer" && preset.place.own))) wanted.push("issuer");
  if (kind === "plain-json") wanted.push("loginUrl", "refreshUrl");
  else wanted.push("clientId");
  if (wantsSecret(form, preset)) wanted.push("clientSecret");
  wanted.push("name");
  if (form.flow === "password") wanted.push("username", "password");
  return wanted;
}

/** Whether the service asks for a client secret, as far as is known. */
export function wantsSecret({ flow }: Form, preset: PresetView | null): boolean {
  return preset?.secret === "always" || (preset?.secret === "for-browser" && flow === "browser");
}

/** A name for a new account at `service` that is not among `taken`: "demo-service", "demo-service-2", and so on. */
export function freeName(service: string, taken: readonly string[]): string {
  const base = service.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-+|-+$/g, "").slice(0, NAME_LIMIT - 8) || "account";
  let name = base;
  for (let n = 2; taken.includes(name); n += 1) name = `${base}-${n}`;
  return name;
}

/** What is wrong with the form, by field; empty where it may be sent. */
export function faults(form: Form, preset: PresetView | null, taken: readonly string[], complaints: Complaints): Faults {
  const found: Faults = {};
  for (const field of fields(form, preset)) {
    const fault = faultOf(field, form[field], taken, complaints);
    if (fault) found[field] = fault;
  }
  return found;
}

/** The request that a form without faults stands for. */
export function request(form: Form, preset: PresetView | null): SignInRequest {
  return {
    name: form.name.trim(),
    place: place(form, preset),
    client_id: preset?.place.kind === "plain-json" ? "pilotlight" : form.clientId.trim(),
    client_secret: form.clientSecret === "" ? null : form.clientSecret,
    scope: form.scope.trim().replaceAll(/\s+/g, " "),
    with: way(form),
  };
}

function way({ flow, byScheme, username, password }: Form): SignInWith {
  if (flow === "password") return { flow, username: username.trim(), password };
  return flow === "browser" && byScheme ? { flow, redirect: "scheme" } : { flow };
}

function place(form: Form, preset: PresetView | null): PlaceRequest {
  switch (preset?.place.kind) {
    case "declared":
      return { kind: "declared", preset: preset.id };
    case "plain-json":
      return { kind: "plain-json", login_url: form.loginUrl.trim(), refresh_url: form.refreshUrl.trim() };
    default:
      return { kind: "issuer", issuer: form.issuer.trim() };
  }
}

function faultOf(field: Field, value: string, taken: readonly string[], complaints: Complaints): string | undefined {
  const typed = field === "password" || field === "clientSecret" ? value : value.trim();
  if (typed === "") return complaints.required;
  switch (field) {
    case "issuer":
      return addressFault(typed, complaints) ?? (/[?#]/.test(typed) ? complaints.addressParts : undefined);
    case "loginUrl":
    case "refreshUrl":
      return addressFault(typed, complaints);
    case "clientId":
      return /\s/.test(typed) ? complaints.clientIdShape : undefined;
    case "name":
      if ([...typed].length > NAME_LIMIT) return complaints.nameLong;
      return taken.includes(typed) ? complaints.nameTaken : undefined;
    default:
      return undefined;
  }
}

function addressFault(address: string, complaints: Complaints): string | undefined {
  if (!URL.canParse(address)) return complaints.addressShape;
  const url = new URL(address);
  const loopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  // RFC 8414 section 2: https; http only for a service on this very computer.
  return url.protocol === "https:" || (url.protocol === "http:" && loopback) ? undefined : complaints.addressHttps;
}
