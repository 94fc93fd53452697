//! Tokens in the hands of the real programs: each asks Pilotlight in its own words, and a service checks what it was sent.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pilotlight_tests::{PrivateDesktop, Server, binaries, process};

use super::program::{Ran, command, run, run_to_end, run_with, signed_in, token};

/// A git repository behind `git http-backend`, for whoever brings the right header.
struct GitHost {
    origin: String,
    /// Every `Authorization` that came in.
    seen: Arc<Mutex<Vec<String>>>,
}

impl GitHost {
    /// `refused` is a token that is not taken; any other bearer token, or password, is.
    fn start(root: &Path, scheme: &'static str, refused: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(vec![]));
        let (root, refused, log) = (root.to_owned(), refused.to_owned(), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve_git(&stream.unwrap(), &root, scheme, &refused, &log);
            }
        });
        Self { origin, seen }
    }
}

struct Asked {
    method: String,
    target: String,
    authorization: Option<String>,
    kind: String,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut words = first.split(' ').map(ToOwned::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut asked = Asked { method, target, authorization: None, kind: String::new(), body: vec![] };
    for line in reader.by_ref().lines() {
        let line = line.unwrap();
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => asked.authorization = Some(value.to_owned()),
            "content-type" => value.clone_into(&mut asked.kind),
            "content-length" => asked.body = vec![0; value.parse().unwrap()],
            _ => {}
        }
    }
    reader.read_exact(&mut asked.body).unwrap();
    asked
}

fn serve_git(stream: &TcpStream, root: &Path, scheme: &str, refused: &str, seen: &Mutex<Vec<String>>) {
    let asked = read(stream);
    let token = asked.authorization.as_deref().and_then(|header| {
        seen.lock().unwrap().push(header.to_owned());
        let value = header.strip_prefix(scheme)?.trim();
        if scheme == "Bearer" {
            return Some(value.to_owned());
        }
        let pair = String::from_utf8(STANDARD.decode(value).unwrap()).unwrap();
        pair.strip_prefix("oauth2:").map(ToOwned::to_owned)
    });
    let mut out = stream;
    if token.is_none_or(|token| token == refused) {
        let challenge = format!("WWW-Authenticate: {scheme} realm=\"git\"");
        let head = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close";
        return write!(out, "{head}\r\n{challenge}\r\n\r\n").unwrap();
    }
    let answer = backend(&asked, root);
    write!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n").unwrap();
    out.write_all(&answer).unwrap();
}

/// `git http-backend` as a CGI program (RFC 3875).
fn backend(asked: &Asked, root: &Path) -> Vec<u8> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut child = Command::new("git")
        .args(["http-backend"])
        .envs([("REQUEST_METHOD", asked.method.as_str()), ("PATH_INFO", path), ("QUERY_STRING", query)])
        .envs([("CONTENT_TYPE", asked.kind.as_str()), ("CONTENT_LENGTH", &asked.body.len().to_string())])
        .envs([("GIT_HTTP_EXPORT_ALL", "1"), ("REMOTE_USER", "work")])
        .env("GIT_PROJECT_ROOT", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&asked.body).unwrap();
    child.wait_with_output().unwrap().stdout
}

/// Git as the person of this desktop runs it, without this machine's own configuration.
fn git(desktop: &PrivateDesktop, arguments: &[&str]) -> Ran {
    let mut command = process::piped(desktop.command("git"));
    command.envs([
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ]);
    run_to_end(command.args(arguments), "")
}

fn helper(origin: &str) -> String {
    format!("credential.{origin}.helper=!'{}' git-credential --account work", binaries::built("pilotlight").display())
}

/// A bare repository with one commit, in a folder of its own.
fn repository(desktop: &PrivateDesktop) -> PathBuf {
    let root = desktop.folder().join("served");
    let bare = root.join("project.git");
    let text = bare.to_str().unwrap();
    for arguments in
        [&["init", "-q", "--bare", "-b", "main", text][..], &["-C", text, "config", "http.receivepack", "true"]]
    {
        let ran = git(desktop, arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let tree = git(desktop, &["-C", text, "mktree"]).out;
    let author =
        ["-C", text, "-c", "user.name=a", "-c", "user.email=a@example", "commit-tree", "-m", "first", tree.trim()];
    let commit = git(desktop, &author).out;
    assert_eq!(git(desktop, &["-C", text, "update-ref", "refs/heads/main", commit.trim()]).code, 0);
    root
}

fn clone(desktop: &PrivateDesktop, origin: &str, into: &str) -> Ran {
    let (url, into) = (format!("{origin}/project.git"), desktop.folder().join(into));
    git(desktop, &["-c", &helper(origin), "clone", "-q", &url, into.to_str().unwrap()])
}

#[test]
fn git_clones_with_a_bearer_token_and_after_a_refusal_with_a_new_one() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let first = token(&desktop, &[]);
    let root = repository(&desktop);

    let host = GitHost::start(&root, "Bearer", "");
    let ran = clone(&desktop, &host.origin, "cloned");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(host.seen.lock().unwrap().iter().all(|header| *header == format!("Bearer {first}")));
    assert!(!host.seen.lock().unwrap().is_empty());

    let strict = GitHost::start(&root, "Bearer", &first);
    let ran = clone(&desktop, &strict.origin, "refused");
    assert_ne!(ran.code, 0, "git does not ask twice in one run");
    let second = token(&desktop, &[]);
    assert_ne!(second, first, "the refused token was replaced, and the account is signed in");
    let ran = clone(&desktop, &strict.origin, "again");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(strict.seen.lock().unwrap().contains(&format!("Bearer {second}")));
}

#[test]
fn git_clones_and_pushes_with_the_token_as_a_password() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let host = GitHost::start(&repository(&desktop), "Basic", "");
    let with_name = format!("{} --username oauth2", helper(&host.origin));
    let (url, into) = (format!("{}/project.git", host.origin), desktop.folder().join("cloned"));
    let into = into.to_str().unwrap();
    let ran = git(&desktop, &["-c", &with_name, "clone", "-q", &url, into]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = git(&desktop, &["-C", into, "-c", &with_name, "push", "-q", "origin", "HEAD:refs/heads/pushed"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let bare = desktop.folder().join("served/project.git");
    assert_eq!(git(&desktop, &["-C", bare.to_str().unwrap(), "rev-parse", "--verify", "pushed"]).code, 0);
}

#[test]
fn a_token_never_crosses_a_network_in_the_clear() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let asked = "protocol=http\nhost=git.example\n\n";
    let ran = run_with(&desktop, &["git-credential", "--account", "work", "--json", "get"], asked);
    assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"));
    let ran =
        run_with(&desktop, &["docker-credential", "--account", "work", "--json", "get"], "http://registry.example");
    assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"));
}

#[test]
fn kubectl_takes_the_credential_and_refuses_nothing_of_it() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let mut asked = command(&desktop, &["kube-credential", "work"]);
    asked.env("KUBERNETES_EXEC_INFO", r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}"#);
    let answer = run_to_end(&mut asked, "").json();
    assert_eq!(answer["status"]["token"], lent.as_str());
    assert!(answer["status"]["expirationTimestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{answer}");
    asked.env("KUBERNETES_EXEC_INFO", r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v9"}"#);
    let refused = run_to_end(&mut asked, "");
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("v9") && refused.err.contains("hint: "), "{}", refused.err);
}

#[test]
fn docker_is_given_a_name_and_a_token_and_stores_nothing() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let docker = |operation, input| run_with(&desktop, &["docker-credential", "--account", "work", operation], input);
    let answer = docker("get", "registry.example").json();
    assert_eq!(answer, serde_json::json!({ "ServerURL": "registry.example", "Username": "oauth2", "Secret": lent }));
    assert_eq!(docker("list", "").json(), serde_json::json!({}));
    assert_eq!(docker("erase", "registry.example").code, 0);
    assert_eq!(docker("store", r#"{"ServerURL":"x","Username":"u","Secret":"s"}"#).code, 2);
    assert_eq!(token(&desktop, &[]), lent, "still signed in");
}

#[test]
fn a_command_gets_the_token_in_its_environment_and_keeps_its_exit_code() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let script = desktop.folder().join("script");
    fs::write(&script, "#!/bin/sh\nprintf '%s|%s' \"$API_TOKEN\" \"$*\"\nexit 42\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let ran = run(&desktop, &["exec", "work", "--env", "API_TOKEN", "--", script.to_str().unwrap(), "a b", "--json"]);
    assert_eq!((ran.code, ran.out), (42, format!("{lent}|a b --json")), "{}", ran.err);
    let absent = run(&desktop, &["exec", "work", "--json", "--", "/no/such/program"]);
    assert_eq!((absent.code, absent.error().as_str()), (2, "bad_input"));
    let header = run(&desktop, &["header", "work"]);
    assert_eq!((header.code, header.out), (0, format!("Authorization: Bearer {lent}\n")));
    assert_eq!(run(&desktop, &["header", "nobody"]).code, 3);
}
