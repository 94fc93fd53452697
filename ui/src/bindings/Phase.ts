
export type Phase = "quieting" | "copying" | "verifying" | "removing" | "rotating";
