// What the sign-in form holds and when it may be sent. Pure; the host checks again.

import type { SignInRequest, SignInWith } from "tauri-plugin-pilotlight-api";
import type { Text } from "./text";

export interface Form {
  issuer: string;
  clientId: string;
  name: string;
  scope: string;
  flow: SignInWith["flow"];
  username: string;
  password: string;
}

export type Field = "issuer" | "clientId" | "name" | "username" | "password";
export type Faults = Partial<Record<Field, string>>;

const DEFAULT_SCOPE = "openid profile email offline_access";
const NAME_LIMIT = 64;

export function emptyForm(): Form {
  return { issuer: "", clientId: "", name: "", scope: DEFAULT_SCOPE, flow: "browser", username: "", password: "" };
}

/** Host and port of a service, or the address as it is if it cannot be read. */
export function host(service: string): string {
  return URL.canParse(service) ? new URL(service).host || service : service;
}

/** A name for a new account at `service` that is not among `taken`: "demo-service", "demo-service-2", and so on. */
export function freeName(service: string, taken: readonly string[]): string {
  const base = service.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-+|-+$/g, "").slice(0, NAME_LIMIT - 8) || "account";
  let name = base;
  for (let n = 2; taken.includes(name); n += 1) name = `${base}-${n}`;
  return name;
}

/** What is wrong with the form, by field; empty where it may be sent. */
export function faults(form: Form, taken: readonly string[], { invalid }: Text): Faults {
  const found: Faults = {};
  const issuer = issuerFault(form.issuer.trim(), invalid);
  if (issuer) found.issuer = issuer;
  if (form.clientId.trim() === "") found.clientId = invalid.required;
  else if (/\s/.test(form.clientId.trim())) found.clientId = invalid.clientIdShape;
  const name = nameFault(form.name.trim(), taken, invalid);
  if (name) found.name = name;
  if (form.flow === "password") {
    if (form.username.trim() === "") found.username = invalid.required;
    if (form.password === "") found.password = invalid.required;
  }
  return found;
}

/** The request that a form without faults stands for. */
export function request(form: Form): SignInRequest {
  return {
    name: form.name.trim(),
    issuer: form.issuer.trim(),
    client_id: form.clientId.trim(),
    scope: form.scope.trim().replaceAll(/\s+/g, " "),
    with:
      form.flow === "browser"
        ? { flow: "browser" }
        : { flow: "password", username: form.username.trim(), password: form.password },
  };
}

function issuerFault(issuer: string, invalid: Text["invalid"]): string | undefined {
  if (issuer === "") return invalid.required;
  if (!URL.canParse(issuer)) return invalid.issuerShape;
  const url = new URL(issuer);
  const loopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  // RFC 8414 section 2: https, and neither query nor fragment; http only for a service on this very computer.
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) return invalid.issuerHttps;
  if (/[?#]/.test(issuer)) return invalid.issuerParts;
  return undefined;
}

function nameFault(name: string, taken: readonly string[], invalid: Text["invalid"]): string | undefined {
  if (name === "") return invalid.required;
  if ([...name].length > NAME_LIMIT) return invalid.nameLong;
  return taken.includes(name) ? invalid.nameTaken : undefined;
}
