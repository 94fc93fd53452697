//! The program itself, run as a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pilotlight-server");

/// A server process, ended with its test.
pub(crate) struct Serving {
    child: Child,
    issuer: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn serve(more: &[&str]) -> Serving {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    Serving { child, issuer: ready["issuer"].as_str().unwrap().to_owned() }
}

impl Serving {
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Posts JSON; gives the status and the body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.try_post(path, &[], body).unwrap()
    }

    /// Posts a form; gives the status and the body.
    pub(crate) fn post_form(&self, path: &str, form: &str) -> (u16, Value) {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        self.send(path, &headers, form).unwrap()
    }

    /// The same; `None` where the server is gone before it has answered.
    pub(crate) fn try_post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Option<(u16, Value)> {
        self.send(path, headers, &body.to_string())
    }

    fn send(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, Value)> {
        let address = self.issuer.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).ok()?;
        let length = body.len();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let whole = serde_json::from_str(body).ok();
        Some((head[9..12].parse().unwrap(), whole.unwrap_or_default()))
    }

    /// The refresh token of the demo's person, signed in anew; again, as long as the server says 503.
    pub(crate) fn sign_in(&self) -> Value {
        let person = json!({"username": "demo", "password": "demo"});
        loop {
            let (status, answer) = self.post("/login", &person);
            if status == 200 {
                return answer["refresh_token"].clone();
            }
            assert_eq!(status, 503);
        }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&self) {
        Command::new("kill").args(["-9", &self.child.id().to_string()]).status().unwrap();
    }

    /// Asks it to stop; gives its exit code and what it wrote to stdout and stderr after the first line.
    #[cfg(unix)]
    fn stop(mut self) -> (Option<i32>, String, String) {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let status = self.child.wait().unwrap();
        let (mut out, mut log) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (status.code(), out, log)
    }
}

pub(crate) fn run(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading, and that is no fault of the test.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn store_in(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("server.db").display())
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[cfg(unix)]
#[test]
fn serve_says_where_logs_what_happened_without_secrets_and_stops_when_asked() {
    let server = serve(&["--demo", "--retry-window", "0s"]);
    let (status, tokens) = server.post("/login", &json!({"username": "demo", "password": "demo"}));
    assert_eq!(status, 200);
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(server.post("/token/refresh", &json!({"refresh_token": token})).0, 200);
    assert_eq!(server.post("/token/refresh", &json!({"refresh_token": token})).0, 401);
    let (code, out, log) = server.stop();
    assert_eq!((code, out.as_str()), (Some(0), ""), "{log}");
    for outcome in ["outcome=rotated generation=1", "outcome=reused generation=0"] {
        assert_eq!(log.lines().filter(|line| line.contains(outcome) && line.contains("grant_id=")).count(), 1, "{log}");
    }
    assert!(!log.contains("plrt_") && !log.contains("eyJ"), "{log}");
}

#[test]
fn people_and_grants_are_managed_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let server = serve(&["--store", &store]);
    run(&["user", "add", "ada", "--password-stdin", "--store", &store], "countess\n");
    let sign_in = || server.post("/login", &json!({"username": "ada", "password": "countess"}));
    let (one, two, three) = (sign_in().1, sign_in().1, sign_in().1);
    let refresh = |tokens: &Value| server.post("/token/refresh", &json!({"refresh_token": tokens["refresh_token"]}));
    let listed = lines(&run(&["grant", "list", "--store", &store], ""));
    assert_eq!(listed.len(), 3);
    assert_eq!((&listed[0]["user"], &listed[0]["revoked"]), (&json!("ada"), &Value::Null));
    let id = |tokens: &Value| {
        crate::kit::claims(tokens["access_token"].as_str().unwrap())["gid"].as_str().unwrap().to_owned()
    };
    let ended = lines(&run(&["grant", "revoke", &id(&one), "--store", &store], ""));
    assert_eq!(ended, [json!({"grant_id": id(&one), "ended_now": true})]);
    assert_eq!(refresh(&one).1["reason"], "revoked", "the server notices at once");
    assert_eq!(refresh(&two).0, 200, "and the other stays");
    assert_eq!(lines(&run(&["grant", "revoke", "--user", "ada", "--store", &store], "")).len(), 3);
    assert_eq!(refresh(&three).1["reason"], "revoked");
}

#[test]
fn a_confidential_client_gets_its_secret_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let args =
        ["client", "add", "site", "--redirect-uri", "https://site.example/cb", "--confidential", "--store", &store];
    let added = lines(&run(&args, ""));
    assert!(added[0]["client_secret"].as_str().unwrap().len() > 40);
    let again = run(&args, "");
    assert_eq!(again.status.code(), Some(3));
}

#[test]
fn what_a_client_may_do_is_set_when_it_is_added() {
    use pilotlight_server::{SqliteStore, Store as _, client::Setting};
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let api = ["client", "add", "api", "--confidential", "--own-scope", "reports.read", "--introspect-any"];
    assert!(run(&[&api[..], &["--store", &store]].concat(), "").status.success());
    let tv = ["client", "add", "tv", "--device", "--pushed-only", "--store", &store];
    assert!(run(&tv, "").status.success());
    let resources = ["--resource", "https://a.example/v1", "--resource", "urn:b"];
    let mail = [&["client", "add", "mail", "--device", "--dpop-required", "--store", &store], &resources[..]].concat();
    assert!(run(&mail, "").status.success());
    let kept = SqliteStore::open(store.strip_prefix("sqlite:").unwrap().as_ref()).unwrap();
    let (api, tv) = (kept.client("api").unwrap().unwrap(), kept.client("tv").unwrap().unwrap());
    assert_eq!(api.own_scope.map(|scope| scope.to_string()).as_deref(), Some("reports.read"));
    assert_eq!(api.settings, [Setting::IntrospectAny]);
    let mail = kept.client("mail").unwrap().unwrap();
    assert_eq!(
        (&*mail.resources, mail.settings),
        (&["https://a.example/v1", "urn:b"].map(str::to_owned)[..], vec![Setting::Device, Setting::DpopRequired])
    );
    assert_eq!((tv.settings, tv.own_scope), (vec![Setting::Device, Setting::PushedOnly], None));
    for wrong in [
        &["--own-scope", "x"][..],
        &["--introspect-any"],
        &[],
        &["--device", "--resource", "/v1"],
        &["--confidential", "--own-scope", "openid"],
    ] {
        let args = [&["client", "add", "other"], wrong, &["--store", &store]].concat();
        assert_eq!(run(&args, "").status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn each_failure_has_its_exit_code_and_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let nowhere = format!("sqlite:{}", folder.path().join("no/such/folder/server.db").display());
    run(&["user", "add", "ada", "--password-stdin", "--store", &store], "countess");
    let unknown = "00000000000000000000000000000000";
    let cases: [(&[&str], &str, i32); 11] = [
        (&["user", "add", "ada", "--password-stdin", "--store", &store], "x", 3),
        (&["user", "add", "eve", "--password-stdin", "--store", &store], "", 2),
        (&["user", "add", "eve", "--password-stdin", "--store", "memory"], "x", 2),
        (&["user", "add", "eve", "--password-stdin", "--store", &nowhere], "x", 1),
        (&["client", "add", "app", "--redirect-uri", "http://evil.example/", "--store", &store], "", 2),
        (&["grant", "revoke", unknown, "--store", &store], "", 3),
        (&["grant", "list", "--store", &nowhere], "", 3),
        (&["serve", "--listen", "0.0.0.0:0", "--demo"], "", 2),
        (&["grant", "revoke", "--user", "nobody", "--store", &store], "", 3),
        (&["serve", "--listen", "127.0.0.1:0", "--access-token-ttl", "15"], "", 2),
        (&["serve", "--listen", "127.0.0.1:0", "--issuer", "http://auth.example"], "", 2),
    ];
    for (args, input, code) in cases {
        let output = run(args, input);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains("error: ") && output.stdout.is_empty(), "{args:?}: {error}");
    }
    let taken = run(&["user", "add", "ada", "--password-stdin", "--store", &store], "x");
    assert!(String::from_utf8_lossy(&taken.stderr).contains("hint: "));
}

#[test]
fn people_are_listed_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let server = serve(&["--store", &store]);
    for name in ["ada", "grace"] {
        run(&["user", "add", name, "--password-stdin", "--store", &store], "first");
    }
    let sign_in = |name: &str, password: &str| server.post("/login", &json!({"username": name, "password": password}));
    let tokens = sign_in("ada", "first").1;
    let listed = lines(&run(&["user", "list", "--store", &store], ""));
    assert_eq!(listed.iter().map(|user| user["user"].as_str().unwrap()).collect::<Vec<_>>(), ["ada", "grace"]);
    assert_eq!((&listed[0]["sign_ins"], &listed[0]["totp"]), (&json!(1), &json!(false)));
    let refresh = |tokens: &Value| server.post("/token/refresh", &json!({"refresh_token": tokens["refresh_token"]}));
    let set = ["user", "set-password", "ada", "--password-stdin", "--store", &store];
    assert_eq!(lines(&run(&[&set[..], &["--keep-sign-ins"]].concat(), "second"))[0]["sign_ins_ended"], 0);
    let tokens = refresh(&tokens).1;
    assert_eq!(lines(&run(&set, "third"))[0], json!({"user": "ada", "sign_ins_ended": 1}));
    assert_eq!(refresh(&tokens).1["reason"], "revoked");
    assert_eq!((sign_in("ada", "second").0, sign_in("ada", "third").0), (401, 200));
    let reset = lines(&run(&["user", "reset-totp", "ada", "--store", &store], ""));
    assert_eq!(reset, [json!({"user": "ada", "had_totp": false})]);
    let removed = lines(&run(&["user", "remove", "ada", "--store", &store], ""));
    assert_eq!(removed, [json!({"user": "ada", "removed": true, "sign_ins_ended": 1})]);
    assert_eq!((sign_in("ada", "third").0, sign_in("grace", "first").0), (401, 200));
    for command in ["remove", "reset-totp"] {
        assert_eq!(run(&["user", command, "ada", "--store", &store], "").status.code(), Some(3), "{command}");
    }
}
