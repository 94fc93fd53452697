import type { Phase } from "./Phase";

export type MovingView = { phase: Phase, done: number, all: number, };
