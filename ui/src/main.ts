import { mount } from "svelte";
import App from "./App.svelte";
import { connect } from "./state.svelte";
import "./style.css";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");

mount(App, { target });
// Who asks for a token is not asked after before the first view stands.
void connect().then(() => import("./asked.svelte"));
