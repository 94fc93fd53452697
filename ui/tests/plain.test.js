// The parts without a page: words for time, the form's rules, announcements, texts; and the texts against the core's codes.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runnerImport } from "vite";
import { root } from "./stage.js";

const load = async (file) => (await runnerImport(join(root, "src", file), { configFile: false, logLevel: "error" })).module;
const { texts, chooseLanguage, problemText, named } = await load("text/index.ts");
const { span, ago, left, until } = await load("time.ts");
const { faults, newForm, freeName, request } = await load("form.ts");
const { host } = await load("called.ts");
const { announcement } = await load("announce.ts");
const { en, zh } = texts;
const textsOf = (name) => Promise.all(["en", "zh"].map(async (language) => (await load(`text/${name}.${language}.ts`))[language]));
const [signInEn, signInZh] = await textsOf("sign-in");
const [activityEn, activityZh] = await textsOf("activity");
const [laterEn, laterZh] = await textsOf("storage");
const [formEn, formZh] = await textsOf("service");
const [settingsEn, settingsZh] = await textsOf("settings");
const [welcomeEn, welcomeZh] = await textsOf("welcome");
const { presets } = await load("fake/presets.ts");

describe("spans and instants", () => {
  for (const [ms, inEnglish, inChinese] of [
    [-5, "0 s", "0 秒"],
    [1, "1 s", "1 秒"],
    [59_999, "1 min 0 s", "1 分 0 秒"],
    [252_000, "4 min 12 s", "4 分 12 秒"],
    [3_840_000, "1 h 4 min", "1 小时 4 分"],
    [273_600_000, "3 d 4 h", "3 天 4 小时"],
  ]) {
    it(`${ms} ms are ${inEnglish}`, () => {
      assert.equal(span(ms, en), inEnglish);
      assert.equal(span(ms, zh), inChinese);
    });
  }

  it("the past is told in its largest unit, and the future is now", () => {
    const now = 1_000_000_000;
    assert.deepEqual(
      [-9, 0, 999, 1000, 59_999, 60_000, 3_599_999, 7_200_000, 200_000_000].map((past) => ago(now - past, now, en)),
      ["now", "now", "now", "1 s ago", "59 s ago", "1 min ago", "59 min ago", "2 h ago", "2 d ago"],
    );
    assert.equal(ago(now - 3000, now, zh), "3 秒前");
  });

  it("the future is told in its two largest units, and the past is now", () => {
    const now = 1_000_000_000;
    assert.deepEqual([-9, 0, 1, 252_000].map((ahead) => until(now + ahead, now, en)), ["now", "now", "in 1 s", "in 4 min 12 s"]);
    assert.equal(until(now + 3000, now, zh), "3 秒后");
  });

  it("what is left of a way stays between all and nothing", () => {
    assert.deepEqual([0, 5, 10, 99].map((now) => left(0, 10, now)), [1, 0.5, 0, 0]);
    assert.equal(left(5, 10, 0), 1);
    assert.equal(left(10, 10, 0), 0, "a way without length is gone");
  });
});

describe("the form", () => {
  const complaints = { ...formEn.invalid, required: en.required };
  const good = { ...newForm(null, []), issuer: "https://login.example.org", clientId: "desktop", name: "work" };
  const check = (part, taken = []) => faults({ ...good, ...part }, null, taken, complaints);

  it("may be sent when it is whole", () => assert.deepEqual(check({}), {}));
  it("may point at a service on this computer without TLS", () => {
    for (const issuer of ["http://localhost:8443", "http://127.0.0.1:1", "http://[::1]:1"]) assert.deepEqual(check({ issuer }), {});
  });
  for (const [issuer, fault] of [
    ["", complaints.required],
    ["login", complaints.addressShape],
    ["https://", complaints.addressShape],
    ["http://login.example.org", complaints.addressHttps],
    ["http://localhost.example.org", complaints.addressHttps],
    ["ftp://login.example.org", complaints.addressHttps],
    ["https://login.example.org?x", complaints.addressParts],
    ["https://login.example.org#x", complaints.addressParts],
  ]) {
    it(`refuses the issuer "${issuer}"`, () => assert.equal(check({ issuer }).issuer, fault));
  }
  it("refuses a name that is empty, too long or taken", () => {
    assert.equal(check({ name: " " }).name, complaints.required);
    assert.equal(check({ name: "火".repeat(65) }).name, complaints.nameLong);
    assert.deepEqual(check({ name: "🔥".repeat(64) }), {}, "characters are counted, not code units");
    assert.equal(check({}, ["work"]).name, complaints.nameTaken);
  });
  it("wants user name and password only for the flow that needs them", () => {
    assert.deepEqual(Object.keys(check({ flow: "password" })), ["username", "password"]);
  });
  it("sends no password in the browser flow", () => {
    const sent = request({ ...good, name: " work ", scope: " openid  email ", password: "secret" }, null);
    assert.deepEqual(sent, {
      name: "work",
      place: { kind: "issuer", issuer: "https://login.example.org" },
      client_id: "desktop",
      client_secret: null,
      scope: "openid email",
      with: { flow: "browser" },
    });
  });
  it("sends a well-known service what it needs and nothing that was typed for another", () => {
    const [forge, mill, own] = presets.map((preset) => [newForm(preset, ["mill"]), preset]);
    const sent = ([form, preset], typed) => request({ ...form, clientId: "desktop", ...typed }, preset);
    assert.deepEqual(sent(forge, {}).place, { kind: "declared", preset: "forge" });
    assert.deepEqual([sent(forge, {}).with, sent(forge, { clientSecret: " s " }).client_secret], [{ flow: "device" }, " s "]);
    assert.deepEqual([sent(mill, {}).place, sent(mill, {}).name], [{ kind: "issuer", issuer: "https://mill.example" }, "mill-2"]);
    const urls = { loginUrl: " https://id.example/in ", refreshUrl: "https://id.example/on" };
    assert.deepEqual(sent(own, urls).place, { kind: "plain-json", login_url: "https://id.example/in", refresh_url: "https://id.example/on" });
  });
  it("keeps a password to the letter", () => {
    const { with: flow } = request({ ...good, flow: "password", username: " ada ", password: " a b " }, null);
    assert.deepEqual(flow, { flow: "password", username: "ada", password: " a b " });
  });
  it("finds a free name", () => {
    assert.equal(freeName("Demo service", []), "demo-service");
    assert.equal(freeName("Demo service", ["demo-service", "demo-service-2"]), "demo-service-3");
    assert.equal(freeName("火", []), "account");
    assert.ok(freeName("x".repeat(200), ["x".repeat(56)]).length <= 64);
  });
  it("shows the host of a service, or what it was given", () => {
    assert.equal(host("https://login.example.org:8443/realm"), "login.example.org:8443");
    assert.equal(host("nonsense"), "nonsense");
  });
});

describe("announcements", () => {
  const account = (state, name = "ada") => ({ id: name, name, person: null, status: { state } });
  const told = (before, after) => announcement({ accounts: before }, { accounts: after }, en);

  it("leave a silent refresh silent", () => {
    assert.equal(told([account("signed-in")], [account("refreshing")]), null);
    assert.equal(told([account("refreshing")], [account("signed-in")]), null);
  });
  it("tell of trouble, of its end, of an end and of a departure", () => {
    assert.match(told([account("refreshing")], [account("waiting")]), /still signed in/);
    assert.match(told([account("waiting")], [account("signed-in")]), /is signed in/);
    assert.match(told([account("signed-in")], [account("ended")]), /has ended/);
    assert.match(told([account("signed-in")], []), /signed out/);
    assert.match(told([], [account("signed-in")]), /is signed in/);
  });
});

describe("texts", () => {
  it("follow the earlier choice, then the system, then English", () => {
    assert.equal(chooseLanguage("zh", ["en"]), "zh");
    assert.equal(chooseLanguage("klingon", ["de", "zh-Hant-TW", "en"]), "zh");
    assert.equal(chooseLanguage("system", ["en-GB", "zh"]), "en");
    assert.equal(chooseLanguage("system", ["de"]), "en");
  });
  it("show an unknown problem as it was sent", () => {
    const problem = { code: "toString", message: "m", hint: "h" };
    assert.deepEqual(problemText(en, problem), problem);
    assert.equal(named({ a: "b" }, "constructor"), undefined);
  });
  it("are filled in, in both languages", () => {
    const empty = [];
    const look = (value, path) => {
      const said = typeof value === "function" ? value(2) : value;
      if (typeof said === "object") for (const [key, part] of Object.entries(said)) look(part, `${path}.${key}`);
      else if (!/unit\.join$|plain-\w+\.depends$/.test(path) && said.trim() === "") empty.push(path);
    };
    for (const [name, one] of Object.entries({ en, zh, laterEn, laterZh, formEn, formZh, signInEn, signInZh, activityEn, activityZh, settingsEn, settingsZh, welcomeEn, welcomeZh })) look(one, name);
    assert.deepEqual(empty, []);
  });

  const inSource = async (file, pattern, crate = "core") => {
    const source = await readFile(join(root, "../crates", crate, "src", file), "utf8");
    return [...source.matchAll(pattern)].map(([, name]) => name).sort();
  };
  it("cover every error code of the core and no other", async () => {
    const codes = await inSource("error.rs", /^ {4}\w+ = "(\w+)", \w+, "/gm);
    assert.ok(codes.length > 20, "the codes were found");
    assert.deepEqual(Object.keys(en.problems).sort(), codes);
  });
  it("cover every kind of event of the core and no other", async () => {
    const kinds = await inSource("journal.rs", /Self::\w+ => "([a-z-]+)",/g);
    assert.ok(kinds.length > 4, "the kinds were found");
    assert.deepEqual(Object.keys(activityEn.kinds).sort(), kinds);
  });
  it("cover every strategy of the vault and no other, and say of each on what it depends where it does", async () => {
    const names = await inSource("strategy.rs", /Self::\w+ => "([a-z-]+)",/g, "vault");
    assert.ok(names.length > 6, "the strategies were found");
    for (const { strategies } of [laterEn, laterZh]) {
      assert.deepEqual(Object.keys(strategies).sort(), names);
      for (const [name, { depends }] of Object.entries(strategies)) assert.equal(depends === "", name.startsWith("plain-"), name);
    }
  });
  it("cover everything that a check-up looks at", async () => {
    const looked = await inSource("doctor.rs", /(?:Finding::(?:fine|note|trouble)\(|what: )"([a-z]+)"/g);
    assert.deepEqual(Object.keys(laterEn.checkUp.what).sort(), [...new Set(looked)].sort());
  });
});
