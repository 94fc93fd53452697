//! A script that runs in the real window and means harm: it may call every command with anything, and gets no token (promise
//! P5). Its inputs come from a seed; `PILOTLIGHT_TORTURE` names another and has many more of them.

mod inputs;

use std::{collections::BTreeSet, fs, io::Write as _, process::Stdio};

use pilotlight_tests::leaks::{Secret, files_below};
use pilotlight_tests::torture::Dice;
use pilotlight_tests::{Keystore, Launch, PrivateDesktop, Stranger, Window, binaries};
use serde_json::{Value, json};

use self::inputs::World;

const ACCOUNT: &str = "work";
const SEED: u64 = 4400;
/// How often each command is called.
const ROUNDS: usize = 4;
const LONG_ROUNDS: usize = 60;
/// How long a call may take, in milliseconds; what is pending then, such as a sign-in in a browser, is cancelled.
const PATIENCE: u64 = 2_000;
/// How a web view says that it may not.
const REFUSAL: &str = "not allowed";
/// What is told of a call that did not end in time.
const LATE: &str = "late";

#[tokio::test(flavor = "multi_thread")]
async fn no_call_of_any_command_gets_a_script_in_the_window_a_token_or_a_key() {
    let (seed, rounds) = plan();
    let desktop = PrivateDesktop::start(Keystore::Unlocked).with_display();
    let (service, hostile) = (Stranger::start(seed), Stranger::start(seed + 1));
    sign_in(&desktop, &service);
    let window = Window::open(&desktop, Launch::plain().argument("--log").argument("trace")).await;
    window.wait_for_state("signed-in").await;

    let keys = desktop.keystore_keys();
    assert!(!keys.is_empty(), "the keystore has the vault's key");
    let commands = commands();
    let mut world =
        World { account: ACCOUNT.to_owned(), hostile: hostile.issuer(), as_expected: true, may_destroy: false };
    let dice = Dice::new(seed);
    let mut crossed = String::new();
    let mut accepted = BTreeSet::new();
    for round in 0..rounds {
        world.as_expected = round == 0;
        world.may_destroy = round + 1 == rounds;
        if world.may_destroy {
            // So far nothing was allowed that puts a token anywhere else.
            assert_unseen(&secrets(&service, &keys), &desktop, &[]);
            assert!(
                token(&desktop).is_some_and(|token| service.tokens().contains(&token)),
                "there was nothing to take"
            );
        }
        let calls =
            commands.iter().map(|command| json!({ "command": command, "given": world.arguments(&dice, command) }));
        let (told, text) = attack(&window, &calls.collect::<Value>()).await;
        accepted.extend(told.iter().filter(|(_, refused)| refused.is_none()).map(|(command, _)| command.clone()));
        for (command, refused) in &told {
            let fits = match refused.as_deref() {
                Some(words) if is_given(command) => !words.contains(REFUSAL),
                // Some inputs are refused before anybody asks who sends them.
                Some(words) => words != LATE,
                None => is_given(command),
            };
            assert!(fits, "{command} (seed {seed}, round {round}): {refused:?}");
        }
        crossed += &text;
    }
    assert!(accepted.len() >= 8, "hardly anything was understood: {accepted:?}");
    assert!(crossed.contains("sqlite-aead") && crossed.contains(ACCOUNT), "nothing crossed");
    let secrets = secrets(&service, &keys);
    assert!(service.tokens().len() >= 4, "nothing was refreshed");
    for secret in &secrets {
        assert_eq!(secret.traces_in(crossed.as_bytes()), [], "it crossed to the web view (seed {seed})");
        assert_eq!(secret.traces_in(window.log().as_bytes()), [], "it stands in the log (seed {seed})");
        for request in hostile.requests() {
            assert_eq!(secret.traces_in(&request), [], "it went to the hostile service (seed {seed})");
        }
    }
    assert!(!hostile.requests().is_empty(), "no call reached the hostile service");
    // A person may choose a readable storage, and so may a script that acts for one: in Pilotlight's home, and nowhere else.
    assert_unseen(&secrets, &desktop, &["pilotlight"]);
    window.find_css("main h1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_the_window_was_not_given_is_refused() {
    let desktop = PrivateDesktop::start(Keystore::Absent).with_display();
    let window = Window::open(&desktop, Launch::plain()).await;
    window.find_css("main h1").await;
    let known = known_commands();
    let withheld: Vec<&String> = known.iter().filter(|command| !is_given(command)).collect();
    assert!(withheld.len() > 100, "{withheld:?}");
    let calls: Value = withheld.iter().map(|command| json!({ "command": command, "given": {} })).collect();
    let (told, _) = attack(&window, &calls).await;
    assert_eq!(told.len(), withheld.len());
    for (command, refused) in told {
        assert!(refused.is_some_and(|words| words.contains(REFUSAL)), "{command} was not refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_runs_no_script_but_its_own_and_reaches_no_host() {
    let desktop = PrivateDesktop::start(Keystore::Absent).with_display();
    let hostile = Stranger::start(SEED);
    let window = Window::open(&desktop, Launch::plain()).await;
    window.find_css("main h1").await;
    let found = window.client().execute_async(include_str!("hostile/policy.js"), vec![json!(hostile.issuer())]).await;
    let found = found.unwrap();
    assert_eq!(found["ran"], json!([]), "a foreign script ran");
    assert_eq!(found["reached"], json!([]), "a foreign host was reached");
    assert!(hostile.requests().is_empty(), "{:?}", hostile.requests().len());
    let blocked = found["blocked"].as_array().unwrap().len();
    assert!(blocked >= 6, "the policy was not what stopped it: {found}");

    let policy = found["policy"].as_str().unwrap();
    let mut sources = policy.split(';').flat_map(|directive| directive.split_whitespace().skip(1));
    assert!(
        sources.all(|source| {
            let known = ["'self'", "'none'", "ipc:", "http://ipc.localhost", "data:"];
            known.contains(&source) || source.starts_with("'nonce-") || source.starts_with("'sha256-")
        }),
        "{policy}"
    );
    for strict in
        ["default-src 'self'", "object-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(strict), "{strict} is missing: {policy}");
    }
    for line in policy.split(';').filter(|line| line.contains("data:")) {
        assert!(line.trim().starts_with("img-src "), "{policy}");
    }
    assert_eq!(found["global"], json!(null), "Tauri's functions are global");
}

/// Calls the commands one after the other: what was refused and in which words, and all that crossed meanwhile.
async fn attack(window: &Window, calls: &Value) -> (Vec<(String, Option<String>)>, String) {
    let given = vec![calls.clone(), json!(PATIENCE), json!(events())];
    let mut answer = window.client().execute_async(include_str!("hostile/page.js"), given).await.unwrap();
    let crossed = answer["crossed"].take().as_str().unwrap().to_owned();
    let told: Vec<(String, Option<String>)> = answer["told"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["command"].as_str().unwrap().to_owned(), one["refused"].as_str().map(str::to_owned)))
        .collect();
    assert_eq!(told.len(), calls.as_array().unwrap().len(), "{crossed}");
    (told, crossed)
}

#[expect(clippy::disallowed_methods, reason = "the seed of a long run comes from the environment")]
fn plan() -> (u64, usize) {
    let named = std::env::var("PILOTLIGHT_TORTURE").ok();
    named.map_or((SEED, ROUNDS), |seed| (seed.parse().unwrap(), LONG_ROUNDS))
}

/// From outside, so that the window has seen no password.
fn sign_in(desktop: &PrivateDesktop, service: &Stranger) {
    let mut command = desktop.command(binaries::built("pilotlight"));
    let endpoint = format!("{}/token", service.issuer());
    command.args(["sign-in", ACCOUNT, "--token-endpoint", &endpoint, "--username", "demo", "--password-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"demo").unwrap();
    assert!(child.wait().unwrap().success());
}

/// The token that a program outside of the window is lent.
fn token(desktop: &PrivateDesktop) -> Option<String> {
    let output =
        desktop.command(binaries::built("pilotlight")).args(["token", ACCOUNT, "--no-agent"]).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// Every token that the service has handed out, and the keys.
fn secrets(service: &Stranger, keys: &[String]) -> Vec<Secret> {
    service.tokens().iter().chain(keys).map(|secret| Secret::new(secret)).collect()
}

/// No secret stands in a file of this desktop, in plain sight or encoded; `but` names folders that are not looked into.
fn assert_unseen(secrets: &[Secret], desktop: &PrivateDesktop, but: &[&str]) {
    for file in files_below(desktop.folder()) {
        let place = file.strip_prefix(desktop.folder()).unwrap();
        if but.iter().any(|folder| place.starts_with(folder)) {
            continue;
        }
        let bytes = fs::read(&file).unwrap_or_default();
        for secret in secrets {
            assert_eq!(secret.traces_in(&bytes), [], "{}", place.display());
        }
    }
}

/// The plugin's commands, the lab's and those for questions, as their build scripts declare them.
fn commands() -> Vec<String> {
    let ours = ["plugin:pilotlight|", "plugin:lab|", "plugin:questions|"];
    let all: Vec<String> =
        known_commands().into_iter().filter(|command| ours.iter().any(|prefix| command.starts_with(prefix))).collect();
    assert!(all.len() >= 20, "{all:?}");
    all
}

/// Everything that Tauri's access control knows in this build, as its build script wrote it down.
fn manifests() -> Value {
    let file = binaries::repository().join("gen/schemas/acl-manifests.json");
    serde_json::from_str(&fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        .unwrap()
}

fn known_commands() -> Vec<String> {
    let manifests = manifests();
    let mut all = BTreeSet::new();
    for (plugin, manifest) in manifests.as_object().unwrap() {
        let permissions = manifest["permissions"].as_object().into_iter().flatten();
        for command in permissions.flat_map(|(_, one)| one["commands"]["allow"].as_array().unwrap()) {
            all.insert(format!("plugin:{}|{}", plugin.trim_start_matches("core:"), command.as_str().unwrap()));
        }
    }
    all.into_iter().collect()
}

/// Whether the window's capability gives it that command, sets resolved.
fn is_given(command: &str) -> bool {
    let (plugin, command) = command.trim_start_matches("plugin:").split_once('|').unwrap();
    let manifests = manifests();
    let core = format!("core:{plugin}");
    let manifest = manifests.get(plugin).or_else(|| manifests.get(&core)).unwrap();
    let text = fs::read_to_string(binaries::repository().join("src-tauri/capabilities/main.json")).unwrap();
    let capability: Value = serde_json::from_str(&text).unwrap();
    let given = capability["permissions"].as_array().unwrap().iter().map(|given| given.as_str().unwrap());
    let (name, wanted) =
        (format!("allow-{}", command.replace('_', "-")), |given: &str| given.rsplit(':').next().unwrap().to_owned());
    given.filter(|given| given.rsplit_once(':').is_some_and(|(from, _)| from == plugin || from == core)).any(|given| {
        let given = wanted(given);
        let set = match given.as_str() {
            "default" => &manifest["default_permission"]["permissions"],
            set => &manifest["permission_sets"][set]["permissions"],
        };
        given == name || set.as_array().is_some_and(|all| all.contains(&json!(name)))
    })
}

/// Every event that the host pushes, as the sources name them.
fn events() -> BTreeSet<String> {
    let repository = binaries::repository();
    let mut found = BTreeSet::new();
    for folder in ["crates/plugin/src", "src-tauri/src"] {
        for file in files_below(&repository.join(folder)) {
            let text = fs::read_to_string(file).unwrap();
            for scheme in ["\"pilotlight://", "\"lab://", "\"questions://"] {
                let names = text.split(scheme).skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.map(|name| format!("{}{name}", &scheme[1..])));
            }
        }
    }
    assert!(found.contains("pilotlight://snapshot") && found.len() >= 4, "{found:?}");
    found
}
