import { mount } from "svelte";
import App from "./App.svelte";
import { connect, state } from "./state.svelte";
import "./style.css";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");

/** A host that takes longer than this, in milliseconds, is waited for in sight. */
const PATIENCE = 150;

const show = (): void => {
  mount(App, { target });
  requestAnimationFrame(() => setTimeout(() => (state.settled = true)));
};

// One picture, and not first another one without accounts: each takes longer than the host's answer.
void new Promise<void>((resolve) => {
  setTimeout(resolve, PATIENCE);
  // Who asks for a token is not asked after before the first view stands.
  void connect(resolve).then(() => import("./asked.svelte"));
}).then(show);
