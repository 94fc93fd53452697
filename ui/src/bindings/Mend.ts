
export type Mend = "retry" | "start-over";
