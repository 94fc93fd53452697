// Which storage to use: three answers, one strategy, and the sentence that says why.

export const ANSWERS = {
  against: ["thief", "users", "programs", "nobody"],
  keystore: ["yes", "no", "hosts"],
  tokens: ["few", "many"],
} as const;

export type Question = keyof typeof ANSWERS;
export type Answers = { [Q in Question]: (typeof ANSWERS)[Q][number] };
export type Reason = "debugging" | "hosts" | "programs" | "manyPrograms" | "noKeystore" | "usual";

/** The strategy's name, and why. */
export function advise({ against, keystore, tokens }: Answers): { strategy: string; reason: Reason } {
  if (against === "nobody") return { strategy: tokens === "few" ? "plain-file" : "plain-sqlite", reason: "debugging" };
  if (keystore === "hosts") return { strategy: "redis", reason: "hosts" };
  // Whatever the keystore gives to us, it gives to every program of the same person.
  if (against === "programs" && tokens === "few") return { strategy: "encrypted-file", reason: "programs" };
  if (against === "programs") return { strategy: "hardware", reason: "manyPrograms" };
  if (keystore === "no") return { strategy: "encrypted-file", reason: "noKeystore" };
  return { strategy: "sqlite-aead", reason: "usual" };
}
