import { mount } from "svelte";
import App from "./App.svelte";
import { connect } from "./state.svelte";
import "./style.css";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");

mount(App, { target });
void connect();
