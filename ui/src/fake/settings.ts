// What the core makes of a setting's text, as far as the window can tell.

import type { SettingsView } from "tauri-plugin-pilotlight-api";
import { makeProblem } from "./things";

/** The settings with one of them changed; what cannot be is refused as the host does. */
export function changed(settings: SettingsView, name: string, value: string): SettingsView {
  const refuse = (): never => {
    throw makeProblem("bad_input", `${name} cannot be set to that.`);
  };
  switch (name) {
    case "leeway":
      if (value === "default") return { ...settings, leeway: null };
      return /^\d+$/.test(value) && Number(value) >= 10 && Number(value) <= 3600 ? { ...settings, leeway: Number(value) } : refuse();
    case "proxy":
      if (value === "default") return { ...settings, proxy: "system" };
      return /^(system|none|https?:\/\/[^/@]+\/?)$/.test(value) ? { ...settings, proxy: value } : refuse();
    case "ca-file":
      if (value === "default") return { ...settings, ca_file: null };
      return value.endsWith(".pem") && value.startsWith("/") ? { ...settings, ca_file: value } : refuse();
    case "language":
    case "theme":
      return { ...settings, [name]: value };
    case "autostart":
    case "tray":
    case "developer":
    case "welcomed":
      return { ...settings, [name]: value === "on" };
    default:
      return refuse();
  }
}
