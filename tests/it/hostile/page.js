// What a script does that runs in our window and means harm. The test hands over calls; the answer is everything that crossed.
const [calls, patience, events] = arguments;
const done = arguments[arguments.length - 1];
const { invoke, transformCallback } = window.__TAURI_INTERNALS__;
const crossed = [];
const told = [];

// Every answer of the host goes through the page's own fetch, also those that Pilotlight's own code asked for.
if (!window.listening) {
  window.listening = crossed;
  const real = window.fetch;
  window.fetch = async (...given) => {
    const answer = await real(...given);
    window.listening.push(await answer.clone().text());
    return answer;
  };
}
window.listening = crossed;

const within = (promise) => {
  const late = new Promise((resolve) => setTimeout(() => resolve({ late: true }), patience));
  const settled = Promise.resolve(promise).then((value) => ({ value }), (error) => ({ error }));
  return Promise.race([settled, late]);
};
const asText = (value) => {
  try {
    return value instanceof ArrayBuffer ? String.fromCharCode(...new Uint8Array(value)) : (JSON.stringify(value) ?? "null");
  } catch (error) {
    return String(error);
  }
};

(async () => {
  for (const event of events) {
    const handler = transformCallback((payload) => crossed.push(asText(payload)));
    await within(invoke("plugin:event|listen", { event, target: { kind: "Any" }, handler }));
  }
  for (const { command, given } of calls) {
    const answer = await within(Promise.resolve().then(() => invoke(command, given)));
    if (answer.late) {
      for (const end of ["plugin:pilotlight|cancel_sign_in", "plugin:lab|stop"]) await within(invoke(end));
    }
    crossed.push(asText(answer.value ?? answer.error ?? null));
    told.push({ command, refused: answer.late ? "late" : answer.error === undefined ? null : asText(answer.error) });
  }
  const bases = await within(indexedDB.databases ? indexedDB.databases() : []);
  const stored = [asText({ ...localStorage }), asText({ ...sessionStorage }), document.cookie, asText(bases), location.href];
  done({ told, crossed: [...crossed, ...stored, document.documentElement.outerHTML].join("\n") });
})().catch((error) => done({ told, crossed: String(error) }));
