// English, of the question whether a program is lent a token.

export const en = {
  title: (program: string, account: string) => `Lend ${program} a token of “${account}”?`,
  what: "Nothing is decided about it yet. With an access token it can do at the service what this account allows, until the token expires. Your sign-in itself stays here.",
  program: "Program",
  parents: "Started by",
  untold: "The system does not say.",
  account: "Account",
  process: "Process",
  answers: "Your answer",
  once: "This once",
  run: "Until it ends",
  always: "Always",
  no: "Not now",
  never: "Never",
  holds: "“Until it ends”, “Always” and “Never” hold for every account. “Always” and “Never” are about the file, whatever it is told to run.",
  time: "Without an answer within a minute it gets none.",
  more: (others: number) => (others === 1 ? "Another program waits." : `${others} other programs wait.`),
};

export type QuestionText = typeof en;
