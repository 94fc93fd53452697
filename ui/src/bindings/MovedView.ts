
export type MovedView = { from: string, to: string, grants: number, not_rotated: Array<string>, };
