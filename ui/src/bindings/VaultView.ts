import type { Problem } from "./Problem";
import type { Protection } from "./Protection";

export type VaultView = { "state": "opening" } | { "state": "ready", strategy: string, keystore: string, protection: Protection, } | { "state": "unavailable", problem: Problem, can_start_over: boolean, asks_passphrase: boolean, can_choose: boolean, };
