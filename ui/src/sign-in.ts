// Signing in, for as long as it takes: one at a time, and the person may change their mind.

import { api } from "#api";
import type { AccountView, SignInRequest, SignInWith } from "tauri-plugin-pilotlight-api";
import { asProblem, show, state, unexpected } from "./state.svelte";

/** Signs in to the service called `at`; the outcome stands in the snapshot, or in `state.failed`. Resolves to whether it succeeded. */
export async function signIn(request: SignInRequest, at: string): Promise<boolean> {
  return whilePending(request.name, at, request.with.flow, () => api.signIn(request));
}

/** The same for an account there is, asking for more scope where some is named. */
export async function signInAgain({ name, service }: AccountView, how: SignInWith, more = ""): Promise<boolean> {
  return whilePending(name, service, how.flow, () => api.signInAgain(name, how, more));
}

async function whilePending(account: string, at: string, flow: SignInWith["flow"], begin: () => Promise<unknown>): Promise<boolean> {
  if (state.pending) return false;
  state.failed = null;
  state.pending = { account, at, flow, device: null, cancelling: false };
  try {
    await begin();
    // Whoever signs in again on an account's page stays there.
    if (state.view !== "account") show("accounts");
    return true;
  } catch (error) {
    const problem = asProblem(error);
    // The person asked for it: no news to them.
    if (problem.code !== "sign_in_cancelled") state.failed = { account, problem };
    return false;
  } finally {
    state.pending = null;
  }
}

export async function cancelSignIn(): Promise<void> {
  if (!state.pending) return;
  state.pending = { ...state.pending, cancelling: true };
  await api.cancelSignIn().catch(unexpected);
}
