// Against a host in memory: what is sent, and what comes of the answers.

import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";

/** What Tauri's own test kit patches; a page has it. */
globalThis.window = globalThis;
const { clearMocks, mockIPC } = await import("@tauri-apps/api/mocks");
const { authorizedFetch, FetchProblem, pilotlight, requestFor } = await import("../dist/index.js");

const bytes = (more, text = "") => new Uint8Array([more, ...Buffer.from(text)]).buffer;
const url = "https://api.example.com/v1/notes";

/** Answers every request with that head and those pieces, and keeps what was asked. */
function host(head, ...pieces) {
  const asked = [];
  mockIPC((command, payload) => {
    asked.push([command.replace("plugin:pilotlight|", ""), payload]);
    if (command === "plugin:pilotlight|fetch") {
      if ("code" in head) throw head;
      return head;
    }
    if (command === "plugin:pilotlight|fetch_body") {
      const next = pieces.shift();
      if (!(next instanceof ArrayBuffer)) throw next;
      return next;
    }
    return undefined;
  });
  return asked;
}

afterEach(() => clearMocks());

describe("the commands", () => {
  it("go to the plugin under their names, with what they were given", async () => {
    const asked = [];
    mockIPC((command, payload) => void asked.push([command, payload]));
    await pilotlight.events("work", 3);
    await pilotlight.signIn(requestFor({ name: "work", issuer: "https://id.example.com", client_id: "app", scope: "openid" }));
    assert.deepEqual(asked[0], ["plugin:pilotlight|events", { account: "work", limit: 3 }]);
    assert.equal(asked[1][0], "plugin:pilotlight|sign_in");
    const place = { kind: "issuer", issuer: "https://id.example.com" };
    const request = { name: "work", client_id: "app", scope: "openid", place, client_secret: null, with: { flow: "browser" } };
    assert.deepEqual(asked[1][1], { request });
  });
});

describe("an authorized fetch", () => {
  it("sends what a fetch would, and gives a response like a fetch's", async () => {
    const asked = host({ status: 201, headers: [["content-type", "application/json"]] }, bytes(1, '{"a":'), bytes(0, "1}"));
    const response = await authorizedFetch("work")(url, { method: "POST", headers: { "x-trace": "1" }, body: "hé" });
    assert.deepEqual([response.status, response.ok, response.url, response.headers.get("content-type")], [201, true, url, "application/json"]);
    assert.deepEqual(await response.json(), { a: 1 });
    const { request } = asked[0][1];
    assert.deepEqual([request.account, request.url, request.method], ["work", url, "POST"]);
    assert.deepEqual(request.body, [...Buffer.from("hé")]);
    assert.ok(request.headers.some(([name, value]) => name === "x-trace" && value === "1"));
    assert.deepEqual(asked.map(([command]) => command), ["fetch", "fetch_body", "fetch_body"]);
  });

  it("asks for a piece when the page has room for it, and cancels what is not read", async () => {
    const asked = host({ status: 200, headers: [] }, bytes(1, "a"), bytes(1, "b"), bytes(1, "c"));
    const reader = (await authorizedFetch("work")(url)).body.getReader();
    assert.equal(Buffer.from((await reader.read()).value).toString(), "a");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(asked.filter(([command]) => command === "fetch_body").length, 2);
    await reader.cancel();
    assert.equal(asked.at(-1)[0], "cancel_fetch");
  });

  it("asks for no body where there is none", async () => {
    for (const [status, method] of [[204, "GET"], [304, "GET"], [200, "HEAD"]]) {
      const asked = host({ status, headers: [] });
      const response = await authorizedFetch("work")(url, { method });
      assert.equal(response.body, null);
      assert.deepEqual(asked.map(([command]) => command), ["fetch", "cancel_fetch"]);
    }
  });

  it("rejects with the plugin's problem, before the head and within the body", async () => {
    const problem = { code: "fetch_refused", message: "No.", hint: "Allow it." };
    host(problem);
    await assert.rejects(authorizedFetch("work")(url), (error) => error instanceof FetchProblem && error.code === "fetch_refused" && error.hint === "Allow it.");
    host({ status: 200, headers: [] }, bytes(1, "a"), { ...problem, code: "fetch_interrupted" });
    const response = await authorizedFetch("work")(url);
    await assert.rejects(response.text(), { code: "fetch_interrupted" });
  });

  it("names what Tauri itself refuses, and what is no address", async () => {
    mockIPC(() => {
      throw "pilotlight.fetch not allowed";
    });
    await assert.rejects(authorizedFetch("work")(url), { code: "fetch_refused", message: "pilotlight.fetch not allowed" });
    await assert.rejects(authorizedFetch("work")("not an address"), TypeError);
  });

  it("ends with its signal, and tells the plugin", async () => {
    const asked = [];
    let refuse;
    mockIPC((command) => {
      asked.push(command);
      if (command.endsWith("|cancel_fetch")) refuse({ code: "fetch_cancelled", message: "", hint: "" });
      return command.endsWith("|fetch") ? new Promise((_, reject) => (refuse = reject)) : undefined;
    });
    const abort = new AbortController();
    const answer = authorizedFetch("work")(url, { signal: abort.signal });
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error("the page was left"));
    await assert.rejects(answer, { message: "the page was left" });
    assert.deepEqual(asked, ["plugin:pilotlight|fetch", "plugin:pilotlight|cancel_fetch"]);
    await assert.rejects(authorizedFetch("work")(url, { signal: AbortSignal.abort() }), { name: "AbortError" });
    assert.equal(asked.length, 2);
  });
});
