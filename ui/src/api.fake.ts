// The host, in memory: for developing in a browser and for the UI checks. Never part of the app.
// `?scenario=` chooses how things stand; `window.pilotlightFake` plays the host's part in what follows.

import type { Api } from "./api";
import type {
  AccountView,
  EventView,
  ExplanationView,
  FindingView,
  Listeners,
  Problem,
  SignInRequest,
  SignInWith,
  Snapshot,
} from "tauri-plugin-pilotlight-api";
import type { QuestionView } from "./bindings/QuestionView";
import type { VerdictView } from "./bindings/VerdictView";
import { borrowersOf, devicesOf, forecastOf } from "./fake/account";
import { labCells, labCosts, labView } from "./fake/lab";
import { invitation, presets } from "./fake/presets";
import { scenario } from "./fake/scenarios";
import { questionOf } from "./fake/questions";
import { changed } from "./fake/settings";
import { findingsOf, protection, steps, storageOf } from "./fake/storage";
import { LIFETIME, makeProblem, MINUTE } from "./fake/things";

const begun = scenario(new URLSearchParams(location.search).get("scenario") ?? "accounts", Date.now());
let { snapshot, events } = begun;
let listeners: Listeners | null = null;
let browser: { finish: () => void; fail: (problem: Problem) => void } | null = null;
let nextFailure: Problem | null = null;
let used = begun.strategy;
let toRotate = 0;
let notRotated: string[] = [];
/** Where the next move stops and waits to be let on. */
let haltAt = "";
let goOn = (): void => {};
let findings: FindingView[] | null = null;
let labStopped = false;
let opens: (account: string) => void = () => {};
let devices = devicesOf(Date.now());
let leftBy = "";
let questions: QuestionView[] = [];
let tellQuestions = (): void => {};
let asking = 0;
const answers: [number, VerdictView][] = [];

function push(): void {
  snapshot = { ...snapshot, now_ms: Date.now() };
  listeners?.snapshot(structuredClone(snapshot));
}

function note(account: string, kind: string, text: string): void {
  const event: EventView = { seq: (events[0]?.seq ?? 0) + 1, at_ms: Date.now(), account, kind, text };
  events = [event, ...events];
  listeners?.event(event);
}

function put(account: AccountView): void {
  const others = snapshot.accounts.filter(({ name }) => name !== account.name);
  snapshot = { ...snapshot, accounts: [...others, account].sort((a, b) => (a.name < b.name ? -1 : 1)) };
  push();
}

function find(name: string): AccountView {
  const found = snapshot.accounts.find((account) => account.name === name);
  if (!found) throw makeProblem("no_such_account", `There is no account named ${name}.`);
  return found;
}

function relit(account: AccountView, now: number): AccountView {
  return {
    ...account,
    status: { state: "signed-in" },
    refreshed_at_ms: now,
    access_expires_at_ms: now + LIFETIME,
    refresh_due_at_ms: now + LIFETIME - MINUTE,
  };
}

function serviceOf({ place }: SignInRequest): string {
  switch (place.kind) {
    case "issuer":
      return place.issuer;
    case "declared":
      return `https://${place.preset}.example`;
    case "plain-json":
      return new URL(place.login_url).origin;
  }
}

function signedIn(given: Pick<AccountView, "name" | "service" | "client_id" | "scope">, person: string): AccountView {
  const now = Date.now();
  const account = relit(
    {
      ...given,
      id: crypto.randomUUID(),
      ways: ["browser", "device", "password"],
      tells_devices: true,
      person,
      status: { state: "signed-in" },
      signed_in_at_ms: now,
      refreshed_at_ms: now,
      access_expires_at_ms: null,
      refresh_due_at_ms: null,
      refresh_expires_at_ms: now + 30 * 24 * 60 * MINUTE,
      refreshes: 0,
      unknown_since_ms: null,
    },
    now,
  );
  put(account);
  note(account.name, "signed-in", `Signed in as ${person}.`);
  return account;
}

function explained(account: AccountView): ExplanationView {
  const { status, refreshed_at_ms, refresh_due_at_ms } = account;
  const timeline = events.filter((event) => event.account === account.name).slice(0, 12).reverse();
  const fine = { hint: "", since_ms: refreshed_at_ms, until_ms: refresh_due_at_ms, timeline };
  switch (status.state) {
    case "signed-in":
      return { ...fine, sentence: "Signed in. The tokens were refreshed on time." };
    case "refreshing":
      return { ...fine, sentence: "A refresh is under way." };
    case "waiting": {
      const sentence = `Still signed in, and waiting to refresh. ${status.problem.message} It was tried 3 times.`;
      return { sentence, hint: status.problem.hint, since_ms: refreshed_at_ms, until_ms: status.retry_at_ms, timeline };
    }
    case "ended": {
      const sentence = `${status.problem.message} The last refresh that worked was 10 minutes before.`;
      return { sentence, hint: status.problem.hint, since_ms: status.ended_at_ms, until_ms: null, timeline };
    }
  }
}

async function whoSignsIn(how: SignInWith): Promise<string> {
  if (how.flow === "password") {
    if (how.password !== "correct") throw makeProblem("wrong_credentials", "The service refused user name or password.");
    return how.username;
  }
  if (how.flow === "device") listeners?.device?.(invitation(Date.now()));
  await answerOfBrowser();
  return "ada@example.org";
}

function answerOfBrowser(): Promise<void> {
  return new Promise((resolve, reject: (problem: Problem) => void) => {
    const over = (then: () => void): void => {
      browser = null;
      then();
    };
    browser = { finish: () => over(resolve), fail: (problem) => over(() => reject(problem)) };
  });
}

/** From now on grants are kept by this strategy, and everything is open. */
function keptBy(strategy: string, given: Snapshot): void {
  used = strategy;
  const vault = { state: "ready", strategy, keystore: "secret-service", protection: protection(strategy) } as const;
  snapshot = { ...given, vault };
  push();
}

/** Where the passphrase of a locked vault is not the right one. */
function refusePassphrase(passphrase: string): void {
  if (passphrase !== "correct") throw makeProblem("wrong_passphrase", "The passphrase is wrong.");
}

async function refuseIfTold(): Promise<void> {
  // One turn of the event loop, as a real host takes at least.
  await Promise.resolve();
  const problem = nextFailure;
  nextFailure = null;
  if (problem) throw problem;
}

export const api: Api = {
  snapshot: async () => structuredClone({ ...snapshot, now_ms: Date.now() }),
  events: async (account, limit) => events.filter((event) => account === null || event.account === account).slice(0, limit),

  async explain(name) {
    await refuseIfTold();
    return explained(find(name));
  },

  presets: async () => presets,

  async signIn(request) {
    await refuseIfTold();
    const { name, client_id, scope } = request;
    return signedIn({ name, service: serviceOf(request), client_id, scope }, await whoSignsIn(request.with));
  },

  async signInAgain(name, how, more = "") {
    await refuseIfTold();
    const { service, client_id, scope } = find(name);
    return signedIn({ name, service, client_id, scope: `${scope} ${more}`.trim() }, await whoSignsIn(how));
  },

  cancelSignIn: async () => browser?.fail(makeProblem("sign_in_cancelled", "The sign-in was cancelled.")),

  async refresh(name) {
    put({ ...find(name), status: { state: "refreshing" } });
    try {
      await refuseIfTold();
    } catch (error) {
      put({ ...find(name), status: { state: "waiting", problem: error as Problem, retry_at_ms: Date.now() + 30_000 } });
      throw error;
    }
    const account = find(name);
    put({ ...relit(account, Date.now()), refreshes: account.refreshes + 1 });
    note(name, "refreshed", "Refreshed on request.");
  },

  async forecast(name) {
    await Promise.resolve();
    return forecastOf(find(name));
  },

  async borrowers(name) {
    await Promise.resolve();
    return borrowersOf(events, find(name).name);
  },

  async devices(name) {
    await refuseIfTold();
    if (!find(name).tells_devices) throw makeProblem("devices_untold", "The service does not tell.");
    return devices;
  },

  async endDevices(_, request) {
    await refuseIfTold();
    const before = devices.length;
    devices = devices.filter(({ id, this: own }) => own || (request.which === "one" && request.id !== id));
    note("ada", "devices-ended", "A sign-in of this person was ended at the service.");
    push();
    return before - devices.length;
  },

  async signOut(name, from) {
    await refuseIfTold();
    find(name);
    leftBy = from ?? "service";
    snapshot = { ...snapshot, accounts: snapshot.accounts.filter((account) => account.name !== name) };
    push();
    note(name, "signed-out", "Signed out; the grant was revoked at the service.");
  },

  async retryVault() {
    await refuseIfTold();
    if (snapshot.vault.state !== "ready") snapshot = { ...scenario("accounts", Date.now()).snapshot };
    push();
  },

  async unlock(passphrase) {
    await refuseIfTold();
    refusePassphrase(passphrase);
    keptBy(used, scenario("accounts", Date.now()).snapshot);
  },

  async storage() {
    await Promise.resolve();
    return storageOf(used, snapshot, toRotate);
  },

  async examine() {
    await Promise.resolve();
    return findings ?? findingsOf(snapshot);
  },

  async choose({ strategy }) {
    await refuseIfTold();
    keptBy(strategy, scenario("empty", Date.now()).snapshot);
    note("", "moved", `This home keeps its grants by ${strategy}.`);
  },

  async migrate({ strategy: to }, tell) {
    await refuseIfTold();
    const from = used;
    for (const step of steps(snapshot.accounts.length)) {
      if (haltAt === step.phase) await new Promise<void>((resolve) => (goOn = resolve));
      haltAt = haltAt === step.phase ? "" : haltAt;
      tell(step);
      await new Promise((resolve) => setTimeout(resolve));
    }
    toRotate = notRotated.length;
    keptBy(to, snapshot);
    note("", "moved", `The grants were moved from ${from} to ${to}.`);
    return { from, to, grants: snapshot.accounts.length, not_rotated: notRotated };
  },

  async openings(tell) {
    opens = tell;
  },

  async labList() {
    return labView;
  },

  async labRun({ strategies, quick }, tell) {
    await refuseIfTold();
    const cells = labCells(strategies, quick);
    let faults = 0;
    labStopped = false;
    for (const [done, { strategy, attack, cell }] of cells.entries()) {
      if (haltAt === attack) await new Promise<void>((resolve) => (goOn = resolve));
      haltAt = haltAt === attack ? "" : haltAt;
      if (labStopped) return { stopped: true, faults, milliseconds: done };
      tell({ strategy, attack, cell: null, done, all: cells.length });
      await new Promise((resolve) => setTimeout(resolve));
      faults += cell.verdict === "fell" ? 1 : 0;
      tell({ strategy, attack, cell, done: done + 1, all: cells.length });
    }
    return { stopped: false, faults, milliseconds: 4200 };
  },

  async labMeasure(tell) {
    await refuseIfTold();
    labStopped = false;
    for (const cost of labCosts) {
      if (haltAt === "measuring") await new Promise<void>((resolve) => (goOn = resolve));
      haltAt = haltAt === "measuring" ? "" : haltAt;
      if (labStopped) return;
      tell(cost);
      await new Promise((resolve) => setTimeout(resolve));
    }
  },

  async labStop() {
    labStopped = true;
    goOn();
  },

  async questions(tell) {
    tellQuestions = () => tell(structuredClone(questions));
    tellQuestions();
  },

  async answer(id, verdict) {
    await refuseIfTold();
    answers.push([id, verdict]);
    stage.settle(id);
  },

  async setSetting(name, value) {
    await refuseIfTold();
    snapshot = { ...snapshot, settings: changed(snapshot.settings, name, value) };
    push();
  },

  async writeReport() {
    await refuseIfTold();
    return { file: "/home/ada/Downloads/pilotlight-report-1767607200000.jsonl", entries: events.length };
  },

  async startOver() {
    await refuseIfTold();
    snapshot = { ...scenario("empty", Date.now()).snapshot };
    push();
    note("", "started-over", "The vault was set aside; an empty one was begun.");
  },

  async subscribe(given) {
    listeners = given;
    return () => {
      listeners = null;
    };
  },
};

/** The host's part, for the checks and the browser's console. */
const stage = {
  /** The app is asked for an account, by its tray for instance. */
  openAt: (account: string) => opens(account),
  /** The person finished in the browser. */
  finishBrowser: () => browser?.finish(),
  /** The browser sign-in came to nothing. */
  failBrowser: (code: string) => browser?.fail(makeProblem(code, `The sign-in failed: ${code}.`)),
  /** The next command is refused. */
  failNext: (code: string, message = `It failed: ${code}.`) => {
    nextFailure = makeProblem(code, message);
  },
  /** The next move stops before this phase, until `goOn`. */
  haltAt: (phase: string) => {
    haltAt = phase;
  },
  goOn: () => goOn(),
  /** The next move leaves these accounts to be rotated later. */
  leaveUnrotated: (...names: string[]) => {
    notRotated = names;
  },
  /** What a check-up finds. */
  find: (...found: FindingView[]) => {
    findings = found;
  },
  /** What is set. */
  settings: () => snapshot.settings,
  /** Changes some of it, as another program does. */
  setSettings: (part: Partial<Snapshot["settings"]>) => {
    snapshot = { ...snapshot, settings: { ...snapshot.settings, ...part } };
    push();
  },
  /** Changes the snapshot and pushes it. */
  change: (part: Partial<Snapshot>) => {
    snapshot = { ...snapshot, ...part };
    push();
  },
  /** Changes one account and pushes it. */
  amend: (name: string, part: Partial<AccountView>) => put({ ...find(name), ...part }),
  /** A program asks for a token; its number. */
  ask: (program: string) => {
    const id = (asking += 1);
    questions = [...questions, questionOf(id, program)];
    tellQuestions();
    return id;
  },
  /** A question is over. */
  settle: (id: number) => {
    questions = questions.filter((question) => question.id !== id);
    tellQuestions();
  },
  /** What was answered. */
  answers: () => answers,
  /** How far the last sign-out went. */
  leftBy: () => leftBy,
  note,
};

declare global {
  interface Window {
    pilotlightFake: typeof stage;
  }
}
window.pilotlightFake = stage;
