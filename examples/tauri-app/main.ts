// Signs in once, and asks the service who signed in. Refreshing, storing and authorizing are the plugin's.

import { authorizedFetch, pilotlight, requestFor } from "tauri-plugin-pilotlight-api";

const [service] = (await pilotlight.snapshot()).services;
const show = (text: string): void => void (document.querySelector("[data-testid=answer]")!.textContent = text);

async function ask(): Promise<void> {
  const answer = await authorizedFetch("demo")(`${service!.issuer}/userinfo`);
  show(`${answer.status}: ${(await answer.json()).sub}`);
}

async function signIn(): Promise<void> {
  await pilotlight.signIn(requestFor(service!));
  await ask();
}

for (const [name, action] of [["sign-in", signIn], ["ask", ask]] as const) {
  document.querySelector(`[data-testid=${name}]`)!.addEventListener("click", () => action().catch((problem) => show(problem.message)));
}
