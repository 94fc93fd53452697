// Well-known services as the host describes them, one of each kind.

import type { InvitationView, PresetView } from "tauri-plugin-pilotlight-api";
import { MINUTE } from "./things";

export const presets: PresetView[] = [
  {
    id: "forge",
    name: "Forge",
    place: { kind: "declared", issuer: "https://forge.example" },
    scope: "",
    flows: ["device", "browser"],
    secret: "for-browser",
    register: "https://forge.example/settings/apps/new",
    setup: { en: "Register an app with device flow turned on.", zh: "注册一个应用，并启用设备流程。" },
    about: { en: "A refresh token works once and lasts 6 months.", zh: "刷新令牌只能使用一次，有效 6 个月。" },
  },
  {
    id: "mill",
    name: "Mill",
    place: { kind: "issuer", issuer: "https://mill.example", own: true },
    scope: "openid email",
    flows: ["browser", "device"],
    secret: "none",
    register: "https://mill.example/applications",
    setup: { en: "Make an application that is not confidential.", zh: "创建一个非机密应用。" },
    about: { en: "Access tokens last 2 hours.", zh: "访问令牌有效 2 小时。" },
  },
  {
    id: "plain-json",
    name: "A service of your own",
    place: { kind: "plain-json" },
    scope: "",
    flows: ["password"],
    secret: "none",
    register: null,
    setup: { en: "For a service without OAuth.", zh: "适用于不使用 OAuth 的服务。" },
    about: { en: "What becomes of a refresh token is for it to decide.", zh: "刷新令牌的去向由该服务决定。" },
  },
];

export function invitation(now: number): InvitationView {
  return {
    user_code: "WDJB-MJHT",
    verification_uri: "https://forge.example/device",
    expires_at_ms: now + 10 * MINUTE,
    picture: { side: 21, path: "M0 0h7v7h-7zM14 0h7v7h-7zM0 14h7v7h-7zM9 9h3v3h-3z" },
  };
}
