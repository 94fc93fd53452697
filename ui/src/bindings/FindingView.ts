import type { Mend } from "./Mend";

export type FindingView = { what: string, health: string, text: string, code: string | null, hint: string | null, mend: Mend | null, };
