//! The configuration file of `serve`.

use std::path::Path;

use serde_json::{Value, json};

use crate::command_line::{run, serve};
use crate::kit::claims;

fn hash_of(secret: &str, more: &[&str]) -> String {
    let output = run(&[&["hash"], more].concat(), secret);
    assert!(output.status.success(), "{output:?}");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (_, hash) = line.as_object().unwrap().iter().next().unwrap();
    assert!(!hash.to_string().contains(secret));
    hash.as_str().unwrap().to_owned()
}

fn write(folder: &Path, text: &str) -> String {
    let path = folder.join("server.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const SECRET: &str = "a-client-secret-of-more-than-32-characters";

#[test]
fn options_people_and_clients_come_from_the_file_and_the_command_line_comes_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (password, secret) = (hash_of("countess\n", &[]), hash_of(SECRET, &["--client-secret"]));
    let text = format!(
        r#"
        access-token-ttl = "7m"
        refresh-token-ttl = "2h"
        grant-uses = 9
        no-plain-json = false
        trusted-proxy = ["10.0.0.0/8", "fd00::1"]
        log-format = "json"

        [[user]]
        name = "ada"
        password-hash = "{password}"

        [[client]]
        id = "backend"
        secret-hash = "{secret}"
        post-logout-redirect-uris = ["https://backend.example/done"]
        exchange = true
        own-scope = "reports.read"
        resources = ["https://api.example/v1"]
        "#
    );
    let server = serve(&["--config", &write(folder.path(), &text), "--refresh-token-ttl", "3h"]);
    let (status, tokens) = server.post("/login", &json!({"username": "ada", "password": "countess"}));
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["expires_in"], 420);
    assert_eq!(tokens["refresh_expires_in"], 3 * 3600);
    assert_eq!(tokens["refresh_uses_left"], 9);
    let form = format!(
        "grant_type=client_credentials&client_id=backend&client_secret={SECRET}&resource=https://api.example/v1"
    );
    let (status, own) = server.post_form("/token", &form);
    assert_eq!(status, 200, "{own}");
    assert_eq!(claims(own["access_token"].as_str().unwrap())["scope"], "reports.read");
    assert_eq!(claims(own["access_token"].as_str().unwrap())["aud"], "https://api.example/v1");
}

#[test]
fn what_is_declared_anew_takes_the_place_of_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("server.db").display());
    run(&["user", "add", "ada", "--password-stdin", "--store", &store], "old");
    let password = hash_of("new", &[]);
    let text = format!("store = \"{store}\"\n[[user]]\nname = \"ada\"\npassword-hash = \"{password}\"\n");
    let server = serve(&["--config", &write(folder.path(), &text)]);
    assert_eq!(server.post("/login", &json!({"username": "ada", "password": "new"})).0, 200);
    assert_eq!(server.post("/login", &json!({"username": "ada", "password": "old"})).0, 401);
}

#[test]
fn a_file_that_is_not_understood_is_refused_with_the_place_and_no_value_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("acess-token-ttl = \"5m\"", "did you mean `access-token-ttl`?"),
        ("config = \"other.toml\"", "no option `config`"),
        ("demo = \"secret-value\"", "`demo` wants true or false"),
        ("access-token-ttl = \"five\"", "`access-token-ttl`"),
        ("store = \"what://secret-value\"", "`store` write memory"),
        ("tls-cert = \"secret-value\"", "`tls-key` is missing"),
        ("max-requests = 0", "`max-requests`"),
        ("log = \"info\"\nstore = \"secret-value", "line 2"),
        ("[[user]]\nname = \"ada\"\npassword = \"secret-value\"", "[[user]] unknown field `password`"),
        ("[[user]]\nname = \"ada\"\npassword-hash = \"secret-value\"", "`ada`"),
        ("[[client]]\nid = \"a b\"", "`a b`"),
        ("[[client]]\nid = \"a\"\nsecret-hash = \"secret-value\"", "`a`"),
        ("[[client]]\nid = \"a\"\nown-scope = \"x\"", "confidential"),
        ("[[client]]\nid = \"a\"\nredirect-uris = [\"http://evil.example\"]", "no safe redirect URI"),
        ("[[client]]\nid = \"a\"\npost-logout-redirect-uris = [\"http://evil.example\"]", "no safe redirect URI"),
        ("[user]\nname = \"ada\"", "[[user]]"),
    ];
    for (text, told) in cases {
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--config", &write(folder.path(), text)], "");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}: {error}");
        assert!(error.contains(told) && error.contains("server.toml"), "{text}: {error}");
        assert!(!error.contains("secret-value"), "{text}: {error}");
    }
    let absent = run(&["serve", "--config", "/no/such/file.toml"], "");
    assert_eq!(absent.status.code(), Some(2));
}

#[test]
fn a_secret_that_could_be_guessed_is_not_hashed_as_one_of_a_client() {
    assert_eq!(run(&["hash", "--client-secret"], "short").status.code(), Some(2));
    assert_eq!(run(&["hash"], "").status.code(), Some(2));
}

#[test]
fn the_example_of_the_documentation_is_understood() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy/pilotlight-server.toml");
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(docs).unwrap();
    assert!(text.contains("/var/lib/pilotlight-server"));
    for name in ["server", "server-keys"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let text = text.replace("/var/lib/pilotlight-", &format!("{}/", folder.path().display())).replace(":9440", ":0");
    // Where the test finds it.
    let text: String =
        text.lines().filter(|line| !line.starts_with("issuer")).map(|line| format!("{line}\n")).collect();
    let server = serve(&["--config", &write(folder.path(), &text)]);
    assert_eq!(server.post("/token/refresh", &json!({"refresh_token": "x"})).0, 404, "it turns plain JSON off");
    let (status, answer) = server
        .post_form("/token", "grant_type=authorization_code&client_id=my-app&code=x&redirect_uri=x&code_verifier=x");
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{answer}: the client is known");
}
