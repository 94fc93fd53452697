// Tries every way by which a page runs a foreign script or reaches a foreign host, and tells what the policy stopped.
const [host] = arguments;
const done = arguments[arguments.length - 1];
const [ran, reached, blocked] = [[], [], []];
let policy = "";
document.addEventListener("securitypolicyviolation", (event) => {
  policy = event.originalPolicy;
  blocked.push(event.effectiveDirective);
});

const put = (name, parts) => document.body.appendChild(Object.assign(document.createElement(name), parts));
const attempt = (name, work) => {
  try {
    work();
  } catch {
    blocked.push(name);
  }
};
const settled = (promise) => Promise.race([promise, new Promise((_, reject) => setTimeout(reject, 1500))]);

window.foreign = (name) => ran.push(name);
put("script", { textContent: "window.foreign('inline')" });
put("script", { src: `${host}/script.js`, onload: () => reached.push("script") });
put("script", { src: "data:text/javascript,window.foreign('data')" });
put("div", { innerHTML: "<img src='x:y' onerror=\"window.foreign('handler')\"><style>main{display:none}</style>" });
put("iframe", { src: `${host}/frame`, onload: () => undefined });
put("img", { src: `${host}/picture`, onload: () => reached.push("img") });
put("link", { rel: "stylesheet", href: `${host}/style.css`, onload: () => reached.push("link") });
put("object", { data: `${host}/object` });
put("form", { method: "post", action: `${host}/form` }).submit();
put("a", { href: "javascript:window.foreign('address')" }).click();
attempt("eval", () => window.foreign(["eval", window.eval("1")][0]));
attempt("Function", () => new Function("window.foreign('Function')")());
attempt("timer", () => setTimeout("window.foreign('timer')", 0));
attempt("worker", () => new Worker(`${host}/worker.js`));
attempt("socket", () => new WebSocket(host.replace("http", "ws")).addEventListener("open", () => reached.push("socket")));
attempt("beacon", () => navigator.sendBeacon(`${host}/beacon`, "x"));

Promise.allSettled([
  settled(fetch(`${host}/fetch`, { mode: "no-cors" })).then(() => reached.push("fetch")),
  settled(import(`${host}/module.js`)).then(() => reached.push("import")),
  new Promise((resolve) => setTimeout(resolve, 1500)),
]).then(() => done({ ran, reached, blocked, policy, global: window.__TAURI__ ?? null }));
