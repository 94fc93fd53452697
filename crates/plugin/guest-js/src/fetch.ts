// `fetch` with an account's token. The request is sent by Rust, which attaches the token; the page sees the answer alone.

import { invoke } from "@tauri-apps/api/core";
import type { FetchHead, FetchRequest, Problem } from "./bindings/index.js";

/** Why there is no answer, or not a whole one. */
export class FetchProblem extends TypeError {
  override readonly name = "FetchProblem";
  /** For programs, e.g. `fetch_refused`, `offline`, `invalid_grant`. */
  readonly code: string;
  /** What to do, for people. */
  readonly hint: string;

  constructor({ code, message, hint }: Problem) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** Statuses whose `Response` has no body (Fetch Standard, section 2.2.3). */
const WITHOUT_BODY = [204, 205, 304];

let latest = 0;

/**
 * A function like the page's own `fetch`, whose requests go out with the token of `account`.
 *
 * The capability of the window must allow the address, with `pilotlight:fetch` and its `allow`. Redirects are refused and not
 * followed, cookies and caches are not used, and answers end at 32 MiB. Rejects with a `FetchProblem`, or with the reason of
 * the request's `signal`.
 */
export function authorizedFetch(account: string): (input: RequestInfo | URL, init?: RequestInit) => Promise<Response> {
  return async (input, init) => {
    const request = new Request(input, init);
    request.signal.throwIfAborted();
    const body = [...new Uint8Array(await request.arrayBuffer())];
    const id = ++latest;
    const { url, method, signal } = request;
    const headers: [string, string][] = [...request.headers];
    const wanted: FetchRequest = { id, account, url, method, headers, body: body.length > 0 ? body : null };
    const aborted = (): void => cancel(id);
    signal.addEventListener("abort", aborted);
    const settled = (): void => signal.removeEventListener("abort", aborted);
    const fail = (problem: unknown): never => {
      settled();
      throw signal.aborted ? signal.reason : named(problem);
    };
    const head = await invoke<FetchHead>("plugin:pilotlight|fetch", { request: wanted }).catch(fail);
    const bodiless = method === "HEAD" || WITHOUT_BODY.includes(head.status);
    if (bodiless) {
      settled();
      cancel(id);
    }
    const response = new Response(bodiless ? null : bodyOf(id, settled, fail), head);
    return Object.defineProperty(response, "url", { value: url });
  };
}

/** Asks for a piece when the page wants one. The first byte of each tells whether another follows. */
function bodyOf(id: number, settled: () => void, fail: (problem: unknown) => never): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const piece = new Uint8Array(await invoke<ArrayBuffer>("plugin:pilotlight|fetch_body", { id }).catch(fail));
      if (piece.length > 1) controller.enqueue(piece.subarray(1));
      if (piece[0] !== 1) {
        settled();
        controller.close();
      }
    },
    cancel() {
      settled();
      cancel(id);
    },
  });
}

function cancel(id: number): void {
  // Where the host is gone, so is the request.
  invoke("plugin:pilotlight|cancel_fetch", { id }).catch(() => undefined);
}

/** What is no `Problem` comes from Tauri itself: a command that no capability allows. */
function named(problem: unknown): FetchProblem {
  const known = typeof problem === "object" && problem !== null && "code" in problem;
  if (known) return new FetchProblem(problem as Problem);
  const hint = "Give the window's capability the permission pilotlight:fetch.";
  return new FetchProblem({ code: "fetch_refused", message: String(problem), hint });
}
