// A program that asks for a token, as the host tells it.

import type { QuestionView } from "../bindings/QuestionView";

export function questionOf(id: number, program: string): QuestionView {
  const parents = ["/usr/bin/bash", "/usr/bin/gnome-terminal-server", "/usr/lib/systemd/systemd"];
  return { id, program, parents, pid: 4711, account: "work" };
}
