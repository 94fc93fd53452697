
export type WayView = { kind: string, detail: string, };
